"""Clients of a stream that leave: their images are cancelled, whether begun or not."""

import socket
import time
from collections.abc import Callable
from contextlib import suppress

import psutil

from schemas import BulkItem, Queue
from tests.support.processes import list_readers
from tests.support.raw_requests import BOUNDARY, PART, assert_answers_on, make_head, read_queue
from tests.support.service import Service
from tests.support.uploads import encode_grey

_IMAGES = 64
_LARGE = encode_grey(128, (6000, 5000), "JPEG")
"""An image that takes some tenths of a second to read."""

_PARTS = b"".join(PART.replace(b'"file"', b'"files"') + _LARGE + b"\r\n" for _ in range(_IMAGES))
_BODY = _PARTS + b"--cut--\r\n"
_HEAD = make_head(
    "POST /predict/batch",
    f"Content-Length: {len(_BODY)}",
    f"Content-Type: {BOUNDARY}",
    "Accept: application/x-ndjson",
)


def test_a_client_that_leaves_a_stream_frees_its_slots(service: Service) -> None:
    """Images that were begun are counted as cancelled, and those that were not are never read."""
    before = read_queue(service)
    with socket.create_connection(("127.0.0.1", service.port), timeout=30) as client:
        client.sendall(_HEAD + _BODY)
        first = _read_line(client)
        assert first.result is not None
        assert read_queue(service).images > 0
    queue = _wait_for(service, lambda queue: not queue.images and not queue.bytes)
    assert 1 <= queue.cancelled - before.cancelled < _IMAGES
    deadline = time.monotonic() + 5  # for what the readers had in hand; all would take longer
    while _measure_readers(service) > 0.1:
        assert time.monotonic() < deadline
    assert_answers_on(service)


def test_a_client_that_leaves_its_upload_frees_its_bytes(service: Service) -> None:
    """Nothing of it is read, and nothing is counted as an image."""
    before = read_queue(service)
    with socket.create_connection(("127.0.0.1", service.port), timeout=30) as client:
        client.sendall(_HEAD + _BODY[: len(_BODY) // 2])
        _wait_for(service, lambda queue: queue.bytes > len(_BODY) // 4)
    queue = _wait_for(service, lambda queue: not queue.bytes)
    assert (queue.images, queue.cancelled) == (0, before.cancelled)
    assert_answers_on(service)


def _read_line(client: socket.socket) -> BulkItem:
    """Read the first item of a stream."""
    answer = b""
    while b"}\n" not in answer:
        answer += client.recv(65536) or b"}\n"
    (line,) = [line for line in answer.splitlines() if line.startswith(b"{")][:1]
    return BulkItem.model_validate_json(line)


def _wait_for(service: Service, is_so: Callable[[Queue], bool]) -> Queue:
    """Wait until the queue is so, at most 10 s."""
    deadline = time.monotonic() + 10
    while not is_so(queue := read_queue(service)):
        assert time.monotonic() < deadline, queue
        time.sleep(0.05)
    return queue


def _measure_readers(service: Service) -> float:
    """Measure the seconds of a core that the reading processes take in half a second."""
    taken = []
    for _ in range(2):
        taken.append(0.0)
        for number in list_readers(service):
            with suppress(psutil.Error):
                taken[-1] += sum(psutil.Process(number).cpu_times()[:2])
        time.sleep(0.5)
    return taken[1] - taken[0]
