"""The peer: LitServe 0.2.19, as a careful user would write it: decode in the worker, and batch.

Run by ``peers.py`` in bench/.venv-litserve.
"""

from pathlib import Path
from typing import Any

from fastapi import Request
from litserve import LitAPI, LitServer

from bench.compare.peer_model import Decoded, PeerModel, parse_options

BATCH = 16
BATCH_WAIT_S = 0.005
# fast_queue is what LitServe documents; release 0.2.19 drops the flag
# (https://github.com/Lightning-AI/LitServe/issues/751).


class Classifier(LitAPI):  # type: ignore[misc] # LitServe is not followed
    """Classify images: decoding on the worker, one forward pass for up to 16 of them."""

    def __init__(self, checkpoint: Path, threads: int) -> None:
        super().__init__(max_batch_size=BATCH, batch_timeout=BATCH_WAIT_S)
        self.checkpoint = checkpoint
        self.threads = threads

    def setup(self, device: str) -> None:  # noqa: ARG002 - LitServe's; always cpu
        """Load the checkpoint once, in the worker process."""
        self.model = PeerModel(self.checkpoint, self.threads)

    def decode_request(self, request: Request) -> Decoded:
        """Decode one upload."""
        return self.model.decode(request["file"].file)

    def predict(self, x: list[Decoded]) -> list[dict[str, Any]]:
        """Return one answer for each image of a batch."""
        return self.model.predict(x)


def serve() -> None:
    """Serve until interrupted."""
    options = parse_options()
    api = Classifier(options.checkpoint, options.threads)
    server = LitServer(api, accelerator="cpu", fast_queue=True, workers_per_device=options.workers)
    quiet = {"log_level": "warning", "generate_client_file": False}
    server.run(host="127.0.0.1", port=options.port, num_api_servers=1, **quiet)


if __name__ == "__main__":
    serve()
