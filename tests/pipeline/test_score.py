"""`vitrine score` from end to end, with its own Ray."""

import asyncio
import contextlib
import csv
import json
import math
import re
import signal
import time
from pathlib import Path
from typing import Any

import psutil
import pytest
from safetensors.numpy import load_file, save_file

from app.errors import ProblemError
from app.offline.predict import build_predictor
from app.settings import Settings
from schemas import PredictOptions, PredictResponse, Scores
from tests.support.checkpoints import copy_checkpoint
from tests.support.pictures import draw_image, make_pictures
from tests.support.scoring import Scoring, list_done, read_rows, score, start_scoring
from tests.support.service import ROOT
from tests.support.uploads import encode_png_header

Rows = list[dict[str, Any]]

IMAGES, PART = 1500, 100


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a folder of images that take some seconds to score, one of which is none."""
    folder = tmp_path_factory.mktemp("many")
    for number in range(IMAGES):
        draw_image((60 + number % 7, 50 + number % 11)).save(folder / f"{number:05}.jpg")
    (folder / "00007.jpg").write_bytes(b"no image")
    return folder


@pytest.fixture(scope="module")
def whole(many: Path, tmp_path_factory: pytest.TempPathFactory) -> Rows:
    """Score them in one run."""
    out = tmp_path_factory.mktemp("whole") / "out"
    code, log = score([many, "--part-rows", str(PART)], out)
    assert code == 1, log
    return read_rows(out)


def make_corpus(folder: Path) -> list[Path]:
    """Write images of every kind, and files that are none or are harmful."""
    paths = make_pictures(folder)
    broken = {
        "empty": b"",
        "text": b"hello",
        "cut": paths[10].read_bytes()[:300],
        "bomb": encode_png_header(60_000, 60_000),
    }
    for name, data in broken.items():
        (folder / name).write_bytes(data)
    return [*paths, *(folder / name for name in broken)]


async def ask_core(images: list[bytes]) -> list[PredictResponse | ProblemError]:
    """Classify images as the service does."""
    settings = Settings(model=str(ROOT / "app" / "demo" / "checkpoint"))
    predictor = build_predictor(settings)
    options = PredictOptions(top_k=3, scores=Scores.ALL, logits=True)

    async def ask(data: bytes) -> PredictResponse | ProblemError:
        try:
            return (await predictor.classify(data, options)).response
        except ProblemError as problem:
            return problem

    return [await ask(data) for data in images]


def test_rows_are_what_the_service_answers(tmp_path: Path) -> None:
    """Scores and logits agree to 1e-5, labels, sizes and problems exactly; none is left out."""
    folder = tmp_path / "corpus"
    folder.mkdir()
    paths = make_corpus(folder)
    missing = folder / "missing.png"
    with (tmp_path / "list.csv").open("w", newline="") as file:
        csv.writer(file).writerows([["file"], *([str(path)] for path in (*paths, missing))])
    asked = ["--column", "file", "--scores", "--logits", "--top-k", "3", "--part-rows", "9"]
    code, log = score([tmp_path / "list.csv", *asked], tmp_path / "out")
    assert code == 1, log
    rows = {row["path"]: row for row in read_rows(tmp_path / "out")}
    assert len(rows) == len(paths) + 1
    answers = asyncio.run(ask_core([path.read_bytes() for path in paths]))
    for path, answer in zip(paths, answers, strict=True):
        assert_same(rows[str(path)], answer)
    assert rows[str(missing)]["problem"] == "invalid-request"
    assert rows[str(missing)]["problem_detail"].startswith(f"{missing} cannot be read: ")
    assert "Traceback" not in log


def assert_same(row: dict[str, Any], answer: PredictResponse | ProblemError) -> None:
    """Compare a row with an answer."""
    if isinstance(answer, ProblemError):
        assert (row["problem"], row["problem_detail"]) == (answer.type, answer.detail)
        assert row["label"] is None
        return
    assert row["problem"] is None
    assert (row["width"], row["height"]) == (answer.image.width, answer.image.height)
    assert (row["format"], row["revision"]) == (answer.image.format, answer.model.revision)
    assert row["scores"] == pytest.approx(answer.scores, abs=1e-5)
    assert row["logits"] == pytest.approx(answer.logits, abs=1e-4, rel=1e-5)
    assert row["label"] == answer.predictions[0].label
    top = [(one.label_id, pytest.approx(one.score, abs=1e-5)) for one in answer.predictions]
    assert [(one["label_id"], one["score"]) for one in row["top_k"]] == top


def test_a_killed_run_goes_on_where_it_was(many: Path, whole: Rows, tmp_path: Path) -> None:
    """After kill -9 the same command repeats no part that is done, and the rows are the same."""
    command, out = (many, "--part-rows", str(PART)), tmp_path / "out"
    with start_scoring(command, out) as scoring:
        scoring.wait_for_parts(3)
        scoring.process.send_signal(signal.SIGKILL)
        scoring.wait()
    done = {path: path.stat().st_mtime_ns for path in list_done(out)}
    assert 3 <= len(done) < IMAGES / PART
    code, log = score(command, out)
    assert code == 1, log
    found = re.search(rf"going on: ([\d,]+) of {IMAGES:,} images are scored already", log)
    assert found, log
    assert int(found[1].replace(",", "")) >= len(done) * PART  # the actor outlives the command
    assert all(path.stat().st_mtime_ns == when for path, when in done.items())
    assert_same_rows(read_rows(out), whole)
    assert json.loads((out / "summary.json").read_text())["images"] == IMAGES


def assert_same_rows(rows: Rows, others: Rows) -> None:
    """Compare the rows of two runs: none is missing, none is there twice, all are alike."""
    assert [row["path"] for row in rows] == [row["path"] for row in others]
    for row, other in zip(rows, others, strict=True):
        assert (row["label"], row["problem_detail"]) == (other["label"], other["problem_detail"])
        assert math.isclose(row["score"] or 0, other["score"] or 0, abs_tol=1e-5)


def test_a_killed_actor_is_replaced(many: Path, whole: Rows, tmp_path: Path) -> None:
    """The job goes on by itself, nothing is lost, and no reading process stays."""
    with start_scoring([many, "--part-rows", str(PART)], tmp_path / "out") as scoring:
        scoring.wait_for_parts(2)
        actor = scoring.find_actor()
        readers = actor.children(recursive=True)
        actor.kill()
        assert scoring.wait() == 1, scoring.read_log()
        assert "(raylet)" not in scoring.read_log()
    psutil.wait_procs(readers, timeout=5)
    assert readers
    assert not any(one.is_running() for one in readers)
    assert_same_rows(read_rows(tmp_path / "out"), whole)


def test_a_process_that_dies_again_and_again_stops_the_job(many: Path, tmp_path: Path) -> None:
    """As where memory is too small: a line says so, and what is done stays."""
    with start_scoring([many, "--part-rows", str(IMAGES // 2)], tmp_path / "out") as scoring:
        scoring.wait_for_parts(1)
        deadline = time.monotonic() + 120
        while scoring.process.poll() is None and time.monotonic() < deadline:
            with contextlib.suppress(ValueError, psutil.Error):  # it is being started
                actor = scoring.find_actor()
                if actor.children():  # it has loaded the model
                    actor.kill()
            time.sleep(0.1)
        assert scoring.wait() == 2, scoring.read_log()
        last = scoring.read_log().splitlines()[-1]
    assert last.startswith("vitrine: The process that scores has died 4 times with no part done. ")
    assert list_done(tmp_path / "out")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_run_keeps_what_is_done(
    many: Path, tmp_path: Path, number: signal.Signals
) -> None:
    """It ends within seconds with one line, exit code 130, and none of its processes left."""
    with start_scoring([many, "--part-rows", str(PART)], tmp_path / "out") as scoring:
        scoring.wait_for_parts(2)
        started = psutil.Process(scoring.process.pid).children(recursive=True)
        scoring.process.send_signal(number)
        assert scoring.process.wait(20) == 130, scoring.read_log()
    assert_one_line(scoring, "interrupted. ")
    gone, left = psutil.wait_procs(started, timeout=10)
    assert gone
    assert not left


def assert_one_line(scoring: Scoring, beginning: str, change: str = "") -> None:
    """Check that the last of the lines is the only one of a failure."""
    found, *progress, last = scoring.read_log().strip().splitlines()
    assert all(" files/s " in line for line in progress)  # of a machine that is slow
    assert found == f"{IMAGES:,} images found"
    assert last.startswith(beginning)
    assert f"of {IMAGES:,} images are scored and stay in {scoring.out}" in last
    assert last.endswith(f"the same command{change} goes on.")


def test_too_many_problems_stop_it(many: Path, tmp_path: Path) -> None:
    """--max-problems 0 stops at the first one."""
    command = (many, "--part-rows", str(PART), "--max-problems", "0")
    with start_scoring(command, tmp_path / "out") as scoring:
        assert scoring.wait() == 1
    change = " with a higher --max-problems"
    assert_one_line(scoring, "stopped at 1 problems; --max-problems allows 0.", change)


def test_a_full_disk_is_one_line(many: Path, tmp_path: Path) -> None:
    """It says what is full, and the same command goes on when there is room."""
    out = tmp_path / "small" / "out"
    out.parent.mkdir()
    mount = f"mount -t tmpfs -o size=160k none {out.parent}"
    grow = f"mount -o remount,size=64m {out.parent}"
    script = f'{mount} && {{ "$@"; echo "exit code $?"; {grow} && exec "$@"; }}'
    wrapped = ("unshare", "--mount", "--map-root-user", "sh", "-c", script, "sh")
    with start_scoring([many, "--part-rows", str(PART), "--logits"], out, *wrapped) as scoring:
        assert scoring.wait() == 1, scoring.read_log()  # one of the images is none
    full, _, again = scoring.read_log().partition("exit code 2\n")
    last = full.strip().splitlines()[-1]
    assert last.startswith(f"vitrine: {out} cannot be written or read: No space left on device")
    assert "Traceback" not in full
    assert f"of {IMAGES:,} images are scored already" in again


def test_a_model_that_cannot_be_loaded_is_one_line(many: Path, tmp_path: Path) -> None:
    """Weights that lack a tensor are met in the actor; its line comes through Ray as it is."""
    folder = copy_checkpoint(ROOT / "app" / "demo" / "checkpoint", tmp_path / "broken")
    weights = load_file(folder / "model.safetensors")
    del weights["classifier.weight"]
    save_file(weights, folder / "model.safetensors")
    code, log = score((many, "--model", folder), tmp_path / "out")
    assert code == 2
    last = log.strip().splitlines()[-1]
    assert last.startswith("vitrine: ")
    assert "classifier.weight" in last
    assert "Traceback" not in log
