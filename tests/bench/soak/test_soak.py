"""The soak's own judgement: what grows, what is more than before, which answers may be."""

import asyncio
import os
from asyncio import StreamReader, StreamWriter

import numpy as np
import psutil
import pytest

from app.client.connection import Answer
from bench.kit.results import Record
from bench.soak.load import AnswerCounts, send_alone
from bench.soak.report import describe_processes, list_growing, measure_growth
from bench.soak.requests import KINDS, Manner, Request, make_request
from bench.soak.slots import list_lost
from bench.soak.watch import (
    HAPROXY,
    RAY_TITLE,
    READER,
    Point,
    Series,
    compare_rests,
    list_more,
    name_role,
)

REQUESTS = range(0, 100_000, 500)


def grow(mb_per_request: float, start: int = 0, seed: int = 0) -> list[float]:
    """Make the memory of a process of 100 MB that grows from a request on, with noise."""
    noise = np.random.default_rng(seed).normal(0, 1, len(REQUESTS))
    steps = (100 + mb_per_request * max(0, number - start) for number in REQUESTS)
    return [step + float(extra) for step, extra in zip(steps, noise, strict=True)]


def measure(memory_mb: list[float]) -> Record:
    """Measure the growth of a process that lived all along."""
    growth = measure_growth(REQUESTS, memory_mb)
    assert growth is not None
    return growth


def test_a_leak_is_told_with_its_slope() -> None:
    """A hundred bytes a request are 1 MB in 10,000, and more than noise after 100,000."""
    growth = measure(grow(100e-6))
    assert growth["slope"] == pytest.approx(1, abs=0.2)
    assert growth["low"] < growth["slope"] < growth["high"]
    assert growth["grown_mb"] == pytest.approx(5, abs=1)
    assert not growth["is_noise"]


@pytest.mark.parametrize("seed", range(5))
def test_noise_is_no_leak(seed: int) -> None:
    """A process that goes up and down by a megabyte does not grow."""
    assert measure(grow(0, seed=seed))["is_noise"]


def test_peaks_and_shrinking_are_no_leak() -> None:
    """Some samples that are far off do not bend the slope; less memory than before is well."""
    memory_mb = grow(0)
    memory_mb[-30::3] = [400.0] * 10
    assert measure(memory_mb)["is_noise"]
    assert measure(grow(-100e-6))["is_noise"]


def test_only_the_second_half_counts() -> None:
    """What a process takes once, before it is warm, is no leak."""
    memory_mb = grow(0)
    memory_mb[:50] = [10.0] * 50
    assert measure(memory_mb)["is_noise"]
    assert not measure(grow(200e-6, start=50_000))["is_noise"]


def test_no_slope_is_told_of_a_few_samples() -> None:
    """A process that was replaced soon has none."""
    assert measure_growth(range(20), [1.0] * 20) is None


def make_points(*numbers: int) -> list[Point]:
    """Make the samples of one process, of 10 MB."""
    return [(number, 10.0, 12.0) for number in numbers]


def test_a_process_that_ends_too_soon_is_told() -> None:
    """The service itself replaces reading processes and HAProxy's; it replaces no replica."""
    one, other = psutil.Process(), psutil.Process(os.getppid())
    series: Series = {
        ("ingress replica", one): make_points(0, 1),
        ("ingress replica", other): make_points(2),
        (READER, one): make_points(0),
        ("vitrine serve", one): make_points(0, 2, 1),
    }
    processes = describe_processes(series)
    assert list_growing(processes) == ["ingress replica was replaced"]
    assert [one["began_later"] for one in processes] == [False, True, False, False]


def test_a_process_that_grows_is_told() -> None:
    """The verdict names its role and slope."""
    growth = {"slope": 1.5, "is_noise": False}
    processes = [{"role": "raylet", "growth": growth, "ended_early": False}]
    assert list_growing(processes) == ["raylet grows by 1.5 MB in 10,000 requests"]


def test_counts_are_held_against_those_before() -> None:
    """More is told, by role and kind; less, or the same, is not."""
    before = {READER: {"processes": 2, "threads": 6, "files": 8, "sockets": 2}}
    fewer = {READER: {"processes": 1, "threads": 3, "files": 4, "sockets": 1}}
    assert list_more(before, before) == []
    assert list_more(before, fewer) == []
    assert list_more({}, {"raylet": {"files": 1}}) == ["raylet: 1 files, 0 before"]


def test_pools_may_grow_a_little() -> None:
    """Some threads more are no leak, nor are HAProxy's pipes; one file of a replica is."""
    before = {role: {"threads": 30, "files": 60} for role in (HAPROXY, "ingress replica")}
    after = {role: {"threads": 34, "files": 76} for role in before}
    assert list_more(before, after) == ["ingress replica: 76 files, 60 before"]
    assert list_more(before, {HAPROXY: {"threads": 35, "files": 77}}) == [
        "haproxy: 35 threads, 30 before",
        "haproxy: 77 files, 60 before",
    ]


def test_a_role_is_a_title_without_the_method_that_runs() -> None:
    """Ray writes the method into the title of a replica's process."""
    assert name_role(psutil.Process()).startswith("python")
    found = RAY_TITLE.match("ray::ServeReplica:vitrine:Ingress.handle_request")
    assert found is not None
    assert found[1] == "ServeReplica:vitrine:Ingress"


def test_slots_that_are_not_given_back_are_told() -> None:
    """At rest the service counts nothing as in flight."""
    rest = {"counts": {}, "memory_mb": {}, "temp_files": 0}
    assert compare_rests(rest, rest, {"images": 0, "bytes": 0, "cancelled": 9}) == []
    assert compare_rests(rest, rest, {"images": 1, "bytes": 7}) == [
        "1 images in flight at rest",
        "7 bytes in flight at rest",
    ]


def test_a_number_is_always_the_same_request() -> None:
    """A wrong answer can be asked for again; every kind and manner is among the first thousands."""
    assert make_request(7) == make_request(7)
    made = [make_request(number) for number in range(3000)]
    assert {request.kind.name for request in made} == {kind.name for kind in KINDS}
    assert {request.manner for request in made} == set(Manner)


def test_an_answer_is_held_against_what_its_kind_may_have() -> None:
    """Another status and no answer are wrong; of a client that hangs up nothing is asked."""
    counts = AnswerCounts()
    numbers = range(3000)
    good = next(one for one in map(make_request, numbers) if one.kind.name == "picture")
    leaves = next(one for one in map(make_request, numbers) if one.manner is Manner.LEAVES)
    counts.add(1, good, Answer(200), 0.1)
    counts.add(2, leaves, None, 0.1)
    counts.add(3, leaves, ConnectionResetError(), 0.1)
    assert counts.wrong == []
    counts.add(4, good, Answer(500, b"oh"), 0.2)
    counts.add(5, good, TimeoutError(), 60.0)
    assert counts.wrong == ["4 picture: 500 b'oh'", "5 picture: no answer TimeoutError()"]
    assert counts.answers["picture"]["200"] == 1
    assert (counts.longest_s, counts.longest) == (0.2, "4 picture: 500")


@pytest.mark.parametrize(
    ("manner", "sent"),
    [
        (Manner.CLOSES, b"0123456789"),
        (Manner.LEAVES, b"0123456789"),
        (Manner.STOPS, b"01234"),
        (Manner.CRAWLS, b"0123456789"),
    ],
)
def test_clients_behave_badly_as_told(manner: Manner, sent: bytes) -> None:
    """One leaves with all sent, one with half of it, one sends it slowly and is answered."""
    request = Request(KINDS[0], b"POST / HTTP/1.1\r\n\r\n", b"0123456789", manner, 0.01)
    received = bytearray()

    async def serve(reader: StreamReader, writer: StreamWriter) -> None:
        while data := await reader.read(65536):
            received.extend(data)
            if received.endswith(request.body):
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
        writer.close()

    async def run() -> Answer | None:
        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        async with server:
            answer = await send_alone(server.sockets[0].getsockname()[1], request)
            await asyncio.sleep(0.05)
        return answer

    assert (asyncio.run(run()) is None) == (manner in {Manner.LEAVES, Manner.STOPS})
    assert received == request.head + sent


def test_slots_that_cannot_be_filled_again_are_told() -> None:
    """Images are read up to the last slot and refused beyond it; uploads fill what is for bytes."""
    images = {"slots": 256, "sent": 260, "read": 256, "refused": 4}
    held = {"slots": 1 << 28, "uploads": 13, "refused_uploads": 0, "was_full": True}
    assert list_lost({"images": images, "bytes": held}) == []
    lost = {"images": images | {"read": 255, "refused": 5}, "bytes": held | {"refused_uploads": 1}}
    assert [one.split(":")[0] for one in list_lost(lost)] == ["slots for images", "slots for bytes"]
