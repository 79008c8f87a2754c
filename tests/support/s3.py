"""An S3-compatible server on this machine: moto, which has an environment of its own.

`make .venv/s3` makes it.
"""

import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from pyarrow.fs import FileSystem

from tests.support.ports import find_port
from tests.support.service import ROOT

_PROGRAM = ROOT / ".venv-s3" / "bin" / "moto_server"

START_S = 60.0


@contextmanager
def serve_bucket(log: Path, bucket: str = "photos") -> Iterator[FileSystem]:
    """Start the server with an empty bucket, and let pyarrow find it by the environment."""
    port = find_port()
    url = f"http://127.0.0.1:{port}"
    with log.open("wb") as written:
        command = (_PROGRAM, "-H", "127.0.0.1", "-p", str(port))
        server = subprocess.Popen(command, stdout=written, stderr=written)
    try:
        _make_bucket(f"{url}/{bucket}")
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("AWS_ENDPOINT_URL", url)
            patch.setenv("AWS_ACCESS_KEY_ID", "anyone")
            patch.setenv("AWS_SECRET_ACCESS_KEY", "anything")
            patch.setenv("AWS_REGION", "us-east-1")
            patch.setenv("AWS_EC2_METADATA_DISABLED", "true")
            yield FileSystem.from_uri(f"s3://{bucket}")[0]
    finally:
        server.kill()
        server.wait()


def _make_bucket(url: str) -> None:
    """Make a bucket as soon as the server answers."""
    deadline = time.monotonic() + START_S
    with httpx.Client(trust_env=False) as client:
        while True:
            try:
                client.put(url).raise_for_status()
            except httpx.TransportError:
                assert time.monotonic() < deadline
                time.sleep(0.1)
            else:
                return
