"""Triton's own client, which cannot live in the environment of the tests, as a process beside it.

Its protobuf is older than the one that Ray comes with. `make .venv/triton` makes its environment.
"""

import base64
import json
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.support.service import ROOT

_PROGRAM = ROOT / ".venv-triton" / "bin" / "python"
_SCRIPT = ROOT / "tests" / "support" / "triton_client.py"
Question = dict[str, Any]


class TritonError(Exception):
    """What the client raises: the server's message, and its status."""


@dataclass(frozen=True)
class Triton:
    """The client, which asks whatever server a question names.

    Attributes:
        process: where it runs.
    """

    process: subprocess.Popen[str]

    def ask(self, protocol: str, url: str, call: str, **question: object) -> Any:  # noqa: ANN401 - JSON
        """Ask a server.

        Args:
            protocol: `http` or `grpc`.
            url: the server's host and port.
            call: `infer`, or a method of the client's, with `arguments`.
            **question: what triton_client.py reads; see `pose_images`.

        Raises:
            TritonError: the client raises InferenceServerException.
        """
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        asked = {"protocol": protocol, "url": url, "call": call, **question}
        self.process.stdin.write(json.dumps(asked) + "\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        assert line, "the client has ended"
        told = json.loads(line)
        if "error" in told:
            raise TritonError(f"{told['status']}: {told['error']}")
        return told["answer"]


def pose_images(images: Sequence[bytes], *, column: bool = False) -> Question:
    """Say what is asked of encoded images."""
    shape = [len(images), 1] if column else [len(images)]
    data = [base64.b64encode(image).decode() for image in images]
    return {"datatype": "BYTES", "shape": shape, "data": data}


def pose_array(array: NDArray[np.uint8] | NDArray[np.float32]) -> Question:
    """Say what is asked of images as an array."""
    kind = "UINT8" if array.dtype == np.uint8 else "FP32"
    data = base64.b64encode(array.tobytes()).decode()
    return {"datatype": kind, "shape": list(array.shape), "data": data}


@contextmanager
def start_triton() -> Iterator[Triton]:
    """Start the client; without its environment the tests fail."""
    if not _PROGRAM.exists():
        pytest.fail("Triton's client is missing: make .venv/triton")
    process = subprocess.Popen(
        [_PROGRAM, _SCRIPT], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    try:
        yield Triton(process)
    finally:
        assert process.stdin is not None
        process.stdin.close()
        try:
            process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        assert process.stdout is not None
        process.stdout.close()
