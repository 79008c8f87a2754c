"""The peer: LitServe 0.2.19 serving the same checkpoint, run by bench/.venv-litserve.

Owns what a careful LitServe user would write: decode in the worker, batch, top five. Run by
``peers.py``.
"""

import argparse
from pathlib import Path
from typing import Any

from fastapi import Request
from litserve import LitAPI, LitServer

from bench.compare.peer_model import Decoded, PeerModel

BATCH = 16
BATCH_WAIT_S = 0.005
# One thread for a small model: on 2 cores, requests/s for the PNG at 1 / 16 / 64 connections were
# 87 / 326 / 467 with one and 38 / 57 / 1 with two. peers.py gives a large one all cores.
# Workers decode, so a small model gets one for each core: for the 640x480 JPEG 75 / 257 / 387 with
# two and 74 / 198 / 193 with one, for the PNG 107 / 459 / 673 and 99 / 456 / 568. ViT-Ti/16 gave
# 22 / 36 / 30 with one worker on two threads and 13 / 28 / 33 with two workers on one.
# fast_queue is what LitServe documents; release 0.2.19 drops the flag
# (https://github.com/Lightning-AI/LitServe/issues/751).
THREADS = 1


class Classifier(LitAPI):
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

    def batch(self, inputs: list[Decoded]) -> list[Decoded]:
        """Return the images as they are: predict stacks them."""
        return inputs

    def predict(self, x: list[Decoded]) -> list[dict[str, Any]]:
        """Return one answer for each image of a batch."""
        return self.model.predict(x)

    def unbatch(self, output: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """Return the answers as they are."""
        return output

    def encode_response(self, output: dict[str, Any]) -> dict[str, Any]:
        """Return one answer; LitServe makes the JSON."""
        return output


def serve() -> None:
    """Serve until interrupted."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--checkpoint", type=Path, required=True)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--threads", type=int, default=THREADS)
    parser.add_argument("--workers", type=int, default=1)
    arguments = parser.parse_args()
    api = Classifier(arguments.checkpoint, arguments.threads)
    server = LitServer(
        api, accelerator="cpu", fast_queue=True, workers_per_device=arguments.workers
    )
    server.run(
        host="127.0.0.1",
        port=arguments.port,
        num_api_servers=1,
        log_level="warning",
        generate_client_file=False,
    )


if __name__ == "__main__":
    serve()
