"""The soak's own judgement: what grows, what is more than before, which answers may be."""

import numpy as np
import pytest

from bench.kit.processes import Process
from bench.soak.clients import Answer
from bench.soak.growth import Growth, measure_growth
from bench.soak.kinds import KINDS, Manner, make_request
from bench.soak.load import Tally
from bench.soak.places import BEYOND, list_lost
from bench.soak.report import describe_processes, list_growing
from bench.soak.rest import list_more
from bench.soak.watch import Point, Sample, add_up, name_role

REQUESTS = range(0, 100_000, 500)


def grow(mb_per_request: float, start: int = 0, seed: int = 0) -> list[float]:
    """Make the memory of a process of 100 MB that grows from a request on, with noise."""
    noise = np.random.default_rng(seed).normal(0, 1, len(REQUESTS))
    steps = (100 + mb_per_request * max(0, number - start) for number in REQUESTS)
    return [step + float(extra) for step, extra in zip(steps, noise, strict=True)]


def measure(memory_mb: list[float]) -> Growth:
    """Measure the growth of a process that lived all along."""
    growth = measure_growth(REQUESTS, memory_mb)
    assert growth is not None
    return growth


def test_a_leak_is_told_with_its_slope() -> None:
    """A hundred bytes a request are 1 MB in 10,000, and more than noise after 100,000."""
    growth = measure(grow(100e-6))
    assert growth.slope == pytest.approx(1, abs=0.2)
    assert growth.low < growth.slope < growth.high
    assert growth.grown_mb == pytest.approx(5, abs=1)
    assert not growth.is_noise


@pytest.mark.parametrize("seed", range(5))
def test_noise_is_no_leak(seed: int) -> None:
    """A process that goes up and down by a megabyte does not grow."""
    assert measure(grow(0, seed=seed)).is_noise


def test_peaks_and_shrinking_are_no_leak() -> None:
    """Some samples that are far off do not bend the slope; less memory than before is well."""
    memory_mb = grow(0)
    memory_mb[-30::3] = [400.0] * 10
    assert measure(memory_mb).is_noise
    assert measure(grow(-100e-6)).is_noise


def test_only_the_second_half_counts() -> None:
    """What a process takes once, before it is warm, is no leak."""
    memory_mb = grow(0)
    memory_mb[:50] = [10.0] * 50
    assert measure(memory_mb).is_noise
    assert not measure(grow(200e-6, start=50_000)).is_noise


def test_no_slope_is_told_of_a_few_samples() -> None:
    """A process that was replaced soon has none."""
    assert measure_growth(range(20), [1.0] * 20) is None


def make_points(role: str, *numbers: int) -> list[Point]:
    """Make the samples of one process, of 10 MB, three threads, four files and a socket."""
    sample = Sample(role, 10.0, 12.0, 0.0, threads=3, files=4, sockets=1)
    return [(number, sample) for number in numbers]


def test_a_process_that_ends_too_soon_is_told() -> None:
    """The service itself replaces reading processes and HAProxy's; it replaces no replica."""
    series = {
        Process(1, 0, 0, 0): make_points("ingress replica", 0, 1),
        Process(2, 0, 0, 0): make_points("ingress replica", 2),
        Process(3, 0, 0, 0): make_points("reading process", 0),
        Process(4, 0, 0, 0): make_points("vitrine serve", 0, 2, 1),
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
    samples = [sample for _, sample in make_points("reading process", 0, 0)]
    before = add_up(samples)
    assert before == {"reading process": {"processes": 2, "threads": 6, "files": 8, "sockets": 2}}
    assert list_more(before, before) == []
    assert list_more(before, add_up(samples[:1])) == []
    assert list_more(add_up([]), {"raylet": {"files": 1}}) == ["raylet: 1 files, 0 before"]


def test_pools_may_grow_a_little() -> None:
    """Some threads more are no leak, nor are HAProxy's pipes; one file of a replica is."""
    before = {role: {"threads": 30, "files": 60} for role in ("HAProxy", "ingress replica")}
    after = {role: {"threads": 34, "files": 76} for role in before}
    assert list_more(before, after) == ["ingress replica: 76 files, 60 before"]
    assert list_more(before, {"HAProxy": {"threads": 35, "files": 77}}) == [
        "HAProxy: 35 threads, 30 before",
        "HAProxy: 77 files, 60 before",
    ]


def test_a_title_becomes_a_role() -> None:
    """Ray adds the method that runs; a title that nobody knows is told as it is."""
    assert name_role("ray::ServeReplica:vitrine:Ingress.handle_request") == "ingress replica"
    assert name_role("python something.py") == "python something.py"


def test_places_are_free_when_exactly_all_are_taken() -> None:
    """One image refused too early, one upload, or a house that never fills is a failure."""
    images = {"places": 256, "read": 256, "refused": BEYOND}
    held = {"refused_uploads": 0, "was_full": True}
    assert list_lost({"images": images, "bytes": held}) == []
    assert list_lost({"images": images | {"read": 255}, "bytes": held})
    assert list_lost({"images": images, "bytes": held | {"refused_uploads": 1}})
    assert list_lost({"images": images, "bytes": held | {"was_full": False}})


def test_a_number_is_always_the_same_request() -> None:
    """A wrong answer can be asked for again; every kind and manner is among the first thousands."""
    assert make_request(7) == make_request(7)
    made = [make_request(number) for number in range(3000)]
    assert {request.kind for request in made} == {kind.name for kind in KINDS}
    assert {request.manner for request in made} == set(Manner)


def test_an_answer_is_held_against_what_its_kind_may_have() -> None:
    """Another status and no answer are wrong; of a client that hangs up nothing is asked."""
    tally = Tally()
    numbers = range(3000)
    good = next(one for one in map(make_request, numbers) if one.kind == "picture")
    leaves = next(one for one in map(make_request, numbers) if one.manner is Manner.LEAVES)
    tally.add(1, good, Answer(200, b"", closes=False), 0.1)
    tally.add(2, leaves, None, 0.1)
    tally.miss(3, leaves, ConnectionResetError())
    assert tally.wrong == []
    tally.add(4, good, Answer(500, b"oh", closes=False), 0.2)
    tally.miss(5, good, TimeoutError())
    assert tally.wrong == ["4 picture: 500 b'oh'", "5 picture: no answer: TimeoutError()"]
    assert tally.answers["picture", "200"] == 1
