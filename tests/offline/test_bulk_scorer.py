"""Many images in one process: as the service scores them, in their order, and never for ever."""

import asyncio
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import psutil
import pytest
from PIL import Image

from app.backend import Logits, Pixels
from app.classifier.checkpoint.files import open_checkpoint
from app.classifier.engines.selection import EngineOptions
from app.classifier.model import Model
from app.datasets.fetch_queue import Fetch
from app.datasets.sample import Sample
from app.errors import (
    DatasetError,
    DeadlineExceededError,
    InternalError,
    InvalidRequestError,
    ModelUnavailableError,
    ProblemError,
    UndecodableImageError,
)
from app.images.workers import process
from app.images.workers.pool import ProcessReader
from app.images.workers.process import WORKER
from app.limits import Limits
from app.offline.bulk_scorer import AHEAD, BulkScorer, ScoredSample
from app.offline.local_backend import LocalBackend
from app.prediction.predictor import Predictor
from app.prediction.result import Classified
from schemas import PredictOptions
from tests.support.pictures import draw_image, make_pictures
from tests.support.sabotaged_worker import END, HANG, MODULE
from tests.support.samples import encode_grey, save
from tests.support.service import default_sigint
from tests.support.uploads import REFUSED

LIMITS = Limits(
    max_bytes=10**6, max_pixels=10**6, max_queue=64, timeout_s=20, batch_size=4, decode_timeout_s=2
)
OPTIONS = EngineOptions("cpu", "torch")
WHITE = encode_grey(255)
TOLERANCE = 1e-5
"""Of logits of up to 10 in float32, since batches of other sizes may round otherwise."""


@pytest.fixture(scope="module")
def model() -> Model:
    """The bundled model."""
    return Model(open_checkpoint("bundled"), OPTIONS)


def fetch_file(sample: Sample) -> bytes:
    """Read the file of a sample, as app.datasets does."""
    try:
        return Path(sample.uri).read_bytes()
    except OSError as exc:
        raise InvalidRequestError(f"{sample.path} cannot be read: {exc.strerror}.") from exc


def list_samples(paths: Sequence[Path]) -> list[Sample]:
    """List files as samples."""
    return [Sample(path.name, str(path)) for path in paths]


def find_workers() -> list[psutil.Process]:
    """Find the processes that read images for this one."""
    names = {WORKER, MODULE}
    return [one for one in psutil.Process().children() if names.intersection(one.cmdline())]


@contextmanager
def open_scorer(
    model: Model, fetch: Fetch = fetch_file, limits: Limits = LIMITS
) -> Iterator[BulkScorer]:
    """Open a scorer, whose processes end with it."""
    scorer = BulkScorer(model, limits, fetch)
    try:
        assert len(find_workers()) == limits.readers
        yield scorer
    finally:
        scorer.close()
        assert not find_workers()


def read_logits(scored: ScoredSample) -> Logits:
    """Read the logits of a sample that was scored."""
    assert scored.problem is None
    assert scored.logits is not None
    return scored.logits


def score(model: Model, contents: Sequence[bytes], limits: Limits = LIMITS) -> list[ScoredSample]:
    """Score contents, whose samples are named by their place."""
    samples = [Sample(str(place), "") for place in range(len(contents))]
    with open_scorer(model, lambda sample: contents[int(sample.path)], limits) as scorer:
        scored = scorer.score(samples)
    assert [one.sample for one in scored] == samples
    return scored


def interfere(
    model: Model, monkeypatch: pytest.MonkeyPatch, before: Callable[[Pixels], object]
) -> None:
    """Have something happen before each batch."""
    run = model.engine.run

    def run_after(pixels: Pixels) -> Logits:
        before(pixels)
        return run(pixels)

    monkeypatch.setattr(model.engine, "run", run_after)


async def classify(contents: Sequence[bytes]) -> list[Classified | BaseException]:
    """Classify contents as the service does; gives for each its answer or its problem."""
    predictor = Predictor(LocalBackend(open_checkpoint("bundled"), OPTIONS), LIMITS)
    options = PredictOptions(logits=True)
    answers = (predictor.classify(content, options) for content in contents)
    return list(await asyncio.gather(*answers, return_exceptions=True))


def test_images_get_what_the_service_answers(model: Model, tmp_path: Path) -> None:
    """The same logits, sizes and formats, of images of every kind."""
    paths = make_pictures(tmp_path)
    with open_scorer(model) as scorer:
        scored = scorer.score(list_samples(paths))
    answers = asyncio.run(classify([path.read_bytes() for path in paths]))
    assert [one.sample.path for one in scored] == [path.name for path in paths]
    for one, answer in zip(scored, answers, strict=True):
        assert not isinstance(answer, BaseException)
        np.testing.assert_allclose(read_logits(one), answer.logits, atol=TOLERANCE)
        image = answer.response.image
        assert (one.size, one.format) == ((image.width, image.height), image.format)
        assert one.seconds > 0


def test_problems_are_those_of_the_service(model: Model) -> None:
    """In the same words, and beside images that are scored."""
    contents = [*(data for data, _ in REFUSED.values()), WHITE, b"\xff\xd8" + bytes(10**6)]
    scored = score(model, contents)
    answers = asyncio.run(classify(contents))
    for one, answer in zip(scored, answers, strict=True):
        problem = answer if isinstance(answer, ProblemError) else None
        assert type(one.problem) is type(problem)
        assert str(one.problem) == str(problem)
        assert (one.logits is None) == (problem is not None)
    assert sum(one.problem is None for one in scored) == 1


def test_no_samples_give_no_results(model: Model) -> None:
    """An empty folder is no error here."""
    assert score(model, []) == []


def test_more_samples_than_are_held_come_in_order(model: Model) -> None:
    """Each result is that of its own image: some are read at once, some take longer."""
    count = 3 * AHEAD * LIMITS.batch_size + 1
    pictures = [draw_image((400 - place, 300)) for place in range(count)]
    contents = [save(one, "BMP" if place % 3 else "PNG") for place, one in enumerate(pictures)]
    samples = [Sample(str(place), "") for place in range(count)]
    some = [samples[place] for place in (0, 1, count // 2, count - 1)]
    with open_scorer(model, lambda sample: contents[int(sample.path)]) as scorer:
        scored = scorer.score(samples)
        single = [scorer.score([sample])[0] for sample in some]
    assert [one.size[0] for one in scored] == [400 - place for place in range(count)]
    for alone in single:
        place = int(alone.sample.path)
        np.testing.assert_allclose(read_logits(scored[place]), read_logits(alone), atol=TOLERANCE)
    assert len({read_logits(one).tobytes() for one in scored}) == count


def test_a_file_that_vanishes_costs_one_sample(model: Model, tmp_path: Path) -> None:
    """It was found, and was deleted before it was read."""
    paths = make_pictures(tmp_path)[:9]
    paths[4].unlink()
    with open_scorer(model) as scorer:
        scored = scorer.score(list_samples(paths))
    assert str(scored[4].problem) == "04 cannot be read: No such file or directory."
    assert [one.problem is None for one in scored] == [place != 4 for place in range(9)]


def test_a_decoder_that_hangs_or_crashes_costs_one_image(
    model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is refused as the service refuses it; those beside it are scored."""
    monkeypatch.setattr(process, "WORKER", MODULE)
    large = save(draw_image((400, 300)), "JPEG")
    scored = score(model, [large, END, large, HANG, large, large])
    assert [one.problem is None for one in scored] == [True, False, True, False, True, True]
    assert isinstance(scored[1].problem, UndecodableImageError)
    assert "ends the process that decodes it" in str(scored[1].problem)
    assert "longer than 2 s" in str(scored[3].problem)
    for one in scored[2::2]:
        np.testing.assert_allclose(read_logits(one), read_logits(scored[0]), atol=TOLERANCE)


def test_an_image_that_the_model_fails_on_is_a_problem(
    model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It has its size and format, and the words of the service; the others are scored."""

    def fail_on_white(pixels: Pixels) -> None:
        if (pixels == 255).all(axis=(1, 2, 3)).any():
            raise RuntimeError

    interfere(model, monkeypatch, fail_on_white)
    scored = score(model, [encode_grey(9), WHITE, encode_grey(99)])
    assert [one.problem is None for one in scored] == [True, False, True]
    assert isinstance(scored[1].problem, InternalError)
    assert str(scored[1].problem) == "The model gave a score that is not a number."
    assert (scored[1].logits, scored[1].size, scored[1].format) == (None, (20, 10), "PNG")


def test_memory_is_bounded_while_the_model_is_slow(
    model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No more images are fetched than may be held, until the model has scored some."""
    go_on, fetched = threading.Event(), list[str]()

    def fetch(sample: Sample) -> bytes:
        fetched.append(sample.path)
        return WHITE

    interfere(model, monkeypatch, lambda _: go_on.wait(30))
    held = AHEAD * LIMITS.batch_size
    samples = [Sample(str(place), "") for place in range(5 * held)]
    found = list[ScoredSample]()
    with open_scorer(model, fetch) as scorer:
        call = threading.Thread(target=lambda: found.extend(scorer.score(samples)))
        call.start()
        until = time.monotonic() + 10
        while len(fetched) < held and time.monotonic() < until:
            time.sleep(0.01)
        time.sleep(0.3)
        assert len(fetched) == held
        go_on.set()
        call.join(30)
    assert len(found) == len(fetched) == len(samples)


def test_a_fetch_that_hangs_costs_one_sample_and_holds_up_no_end(model: Model) -> None:
    """As on a remote filesystem: it has a problem after the time limit, and is left behind."""
    go_on = threading.Event()

    def fetch(sample: Sample) -> bytes:
        if sample.path == "3":
            go_on.wait(120)
        return WHITE

    samples = [Sample(str(place), "") for place in range(40)]
    started = time.monotonic()
    with open_scorer(model, fetch, replace(LIMITS, timeout_s=0.5)) as scorer:
        scored = scorer.score(samples)
    assert time.monotonic() - started < 60
    assert [one.sample.path for one in scored if one.problem is not None] == ["3"]
    assert isinstance(scored[3].problem, DeadlineExceededError)
    assert str(scored[3].problem) == "3 cannot be read: it took longer than 0.5 s."
    go_on.set()


def test_a_slow_file_is_the_slowest_and_not_those_behind_it(model: Model) -> None:
    """They wait for its process, and for their fetch, but that is no time of theirs."""
    noise = np.random.default_rng(0).integers(0, 256, (1500, 2000, 3), np.uint8)
    slow = save(Image.fromarray(noise).resize((6000, 4500)), "JPEG", progressive=True)
    cut, small = slow[: len(slow) * 9 // 10], save(draw_image((400, 300)), "PNG")
    contents = [small, small, slow, *[small] * 60, cut, *[small] * 60]
    limits = replace(LIMITS, max_pixels=10**8, max_bytes=10**8, readers=1, decode_timeout_s=60)
    scored = score(model, contents, limits)
    order = sorted(scored, key=lambda one: -one.seconds)
    assert {order[0].sample.path, order[1].sample.path} == {"2", "63"}
    assert order[2].seconds < order[1].seconds / 4


def test_a_fetch_that_is_slow_or_hangs_counts_as_slow(model: Model) -> None:
    """Those that wait for a thread do not."""
    go_on = threading.Event()

    def fetch(sample: Sample) -> bytes:
        time.sleep(1 if sample.path == "1" else 0)
        if sample.path == "2":
            go_on.wait(60)
        if sample.path == "3":
            time.sleep(0.7)
            raise InvalidRequestError("3 is gone.")
        return WHITE

    samples = [Sample(str(place), "") for place in range(100)]
    with open_scorer(model, fetch, replace(LIMITS, timeout_s=4)) as scorer:
        scored = scorer.score(samples)
    go_on.set()
    assert scored[2].seconds == 4
    assert scored[1].seconds >= 1
    assert scored[3].seconds >= 0.7
    order = sorted(scored, key=lambda one: -one.seconds)
    assert {one.sample.path for one in order[:3]} == {"1", "2", "3"}


def test_ctrl_c_ends_a_call_whose_fetches_hang(model: Model) -> None:
    """At once, and not after the time limit; so does the scorer."""
    go_on, begun = threading.Event(), threading.Event()

    def hang(_: Sample) -> bytes:
        begun.set()
        go_on.wait(120)
        return WHITE

    def interrupt() -> None:
        begun.wait(10)
        signal.raise_signal(signal.SIGINT)

    limits = replace(LIMITS, timeout_s=100)
    with open_scorer(model, hang, limits) as scorer, default_sigint():
        threading.Thread(target=interrupt).start()
        with pytest.raises(KeyboardInterrupt):
            scorer.score([Sample(str(place), "") for place in range(40)])
        started = time.monotonic()
    assert time.monotonic() - started < 10
    assert begun.is_set()
    go_on.set()


def test_a_slow_fetch_does_not_hold_up_the_model(
    model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What has been fetched is scored while all threads that fetch wait for others."""
    scored = threading.Event()

    def fetch(sample: Sample) -> bytes:
        if sample.path != "0" and not scored.wait(10):
            raise DatasetError("The first sample is not scored.")
        return WHITE

    samples = [Sample(str(place), "") for place in range(64)]
    limits = replace(LIMITS, batch_size=32)
    with open_scorer(model, fetch, limits) as scorer:
        interfere(model, monkeypatch, lambda _: scored.set())
        assert all(one.problem is None for one in scorer.score(samples))


def test_a_lost_device_ends_the_call_and_the_scorer_can_be_closed(
    model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As itself, not as a group of errors; nothing of the call stays behind."""
    samples = [Sample(str(place), "") for place in range(40)]

    def fail(_: Pixels) -> None:
        raise RuntimeError

    with open_scorer(model, lambda _: WHITE) as scorer:
        with monkeypatch.context() as patch:
            interfere(model, patch, fail)
            with pytest.raises(ModelUnavailableError):
                scorer.score(samples)
        scored = scorer.score(samples)
    assert all(one.problem is None for one in scored)


@pytest.mark.parametrize("error", [DatasetError("rows.parquet is corrupt."), MemoryError()])
def test_what_is_no_problem_of_an_image_ends_the_call_as_itself(
    error: BaseException, model: Model
) -> None:
    """A table that is corrupt has no next row; the scorer stays usable."""

    def fetch(sample: Sample) -> bytes:
        if sample.path == "7":
            raise error
        return WHITE

    with open_scorer(model, fetch) as scorer:
        with pytest.raises(type(error)) as caught:
            scorer.score([Sample(str(place), "") for place in range(40)])
        assert caught.value is error
        assert len(scorer.score([Sample("1", ""), Sample("2", "")])) == 2


def test_a_scorer_that_cannot_start_leaves_no_process(
    model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One of its processes may be refused by the system."""
    warm_up = ProcessReader.warm_up

    async def fail(reader: ProcessReader, geometry: object) -> None:
        await warm_up(reader, geometry)  # type: ignore[arg-type] # passed on
        raise ModelUnavailableError("no process")

    monkeypatch.setattr(ProcessReader, "warm_up", fail)
    with pytest.raises(ModelUnavailableError):
        BulkScorer(model, LIMITS, fetch_file)
    assert not find_workers()


def test_a_scorer_may_be_closed_twice(model: Model) -> None:
    """As by whoever opened it and a context around both."""
    with open_scorer(model) as scorer:
        scorer.close()
