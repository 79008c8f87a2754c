"""One run of `vitrine score`, from its options to its exit code."""

import signal
import time
from typing import TYPE_CHECKING, Never

from rich.console import Console

from app.classifier.opening import open_configured
from app.errors import DatasetError, StartupError
from app.evaluation.extras import check_report_packages
from app.exit_codes import EXIT_FAILED, EXIT_INTERRUPTED
from app.machine import count_cores
from app.ray_session import run_ray
from app.scoring.closing import encode_summary, list_figures, print_summary
from app.scoring.folder import refuse
from app.scoring.job import Job, add_pictures, open_job, read_summary
from app.scoring.options import ScoreOptions, bound_problems
from app.scoring.part_names import REPORT, SUMMARY
from app.scoring.progress import Progress, ProgressLine
from app.scoring.report import render_report
from app.settings import Settings

if TYPE_CHECKING:
    from app.scoring.dispatch import Dispatch

LOOK_S = 0.5
"""Seconds between two looks at the progress."""

OBJECT_STORE_BYTES = 100 << 20
"""Of a Ray of our own: nothing but the numbers of parts goes through it."""

OWN = {"RAY_local_fs_capacity_threshold": "1"}
"""Environment of it. A disk that is nearly full is no reason to stop: nothing is spilled."""


class TooManyProblemsError(Exception):
    """More images have a problem than the user allows."""


def score_images(settings: Settings, options: ScoreOptions) -> int:
    """Score images into a folder, or go on with it; returns the exit code.

    Raises:
        StartupError: it cannot begin, or nothing can be written any more.
    """
    shown = Console(stderr=True)
    check_report_packages()
    checkpoint = open_configured(settings)
    job = open_job(settings, checkpoint, options, lambda line: _tell(shown, line))
    started = time.monotonic()
    try:
        rate = _run(settings, options, job, shown)
    except KeyboardInterrupt:
        _tell(shown, f"interrupted. {_describe_rest(job)}")
        return EXIT_INTERRUPTED
    except TooManyProblemsError as stop:
        _tell(shown, f"{stop} {_describe_rest(job, ' with a higher --max-problems')}")
        return EXIT_FAILED
    except (StartupError, DatasetError) as exc:
        message = (
            f"{str(exc).rstrip('.')}. {_describe_rest(job)}" if job.summary.images else str(exc)
        )
        raise StartupError(message) from exc
    with refuse(f"--out {job.folder.name} cannot be written or read"):
        add_pictures(job)
        figures = list_figures(job.summary, checkpoint, rate)
        job.folder.write(REPORT, render_report(settings, options, job.summary, figures))
        job.folder.write(SUMMARY, encode_summary(job.summary, checkpoint, rate))
    print_summary(Console(), job, time.monotonic() - started, rate)
    return EXIT_FAILED if job.summary.count_problems else 0


def _run(settings: Settings, options: ScoreOptions, job: Job, shown: Console) -> float:
    """Score the parts that are not done; returns the images a second.

    Raises:
        TooManyProblemsError: more images have a problem than is allowed.
        StartupError: Ray, the model or the disk has failed.
    """
    bound = bound_problems(options.max_problems, job.images)
    _check_problems(job.summary.count_problems, bound)
    if not job.pending:
        return 0.0
    before = Progress(job.summary.images, job.summary.count_problems)
    store = OBJECT_STORE_BYTES
    with run_ray(options.address, OWN, num_cpus=count_cores(), object_store_memory=store):
        from app.scoring.dispatch import Dispatch  # noqa: PLC0415 - Ray reads its environment here

        signal.signal(signal.SIGTERM, _interrupt)  # Ray has set its own
        dispatch = Dispatch(settings, options, job)
        with ProgressLine(shown, job.images, before) as line:
            return _watch(dispatch, job, line, bound)


def _watch(dispatch: "Dispatch", job: Job, line: ProgressLine, bound: int | None) -> float:
    """Show the progress until all parts are done; as `_run`."""
    left, before = len(job.pending), job.summary.count_problems
    while left:
        done = dispatch.wait(LOOK_S)
        if done is not None:
            _add(job, done.part, done.failure)
            left -= 1
        progress = dispatch.read_progress()
        line.show(progress)
        # The board may not know yet of the last images of a part that is done.
        _check_problems(max(before + progress.problems, job.summary.count_problems), bound)
    return line.measure(progress)


def _check_problems(problems: int, bound: int | None) -> None:
    """Raise TooManyProblemsError if there are more than the bound."""
    if bound is not None and problems > bound:
        message = f"stopped at {problems:,} problems; --max-problems allows {bound:,}."
        raise TooManyProblemsError(message)


def _add(job: Job, part: int, failure: str) -> None:
    """Add a part that is done; raises StartupError or DatasetError where the job must stop."""
    with refuse(f"--out {job.folder.name} cannot be read"):
        summary = None if failure else read_summary(job.folder, part)
    if summary is None:
        raise StartupError(failure or f"the summary of part {part} is gone")
    job.summary.merge(summary)


def _describe_rest(job: Job, change: str = "") -> str:
    """Describe what is done, and how to go on: by the same command, but for a change."""
    done = f"{job.summary.images:,} of {job.images:,} images are scored and stay in"
    return f"{done} {job.folder.name}; the same command{change} goes on."


def _tell(shown: Console, line: str) -> None:
    """Show a line beside the results."""
    shown.print(line, markup=False, highlight=False, soft_wrap=True)


def _interrupt(*_: object) -> Never:
    """Take SIGTERM as Ctrl-C."""
    raise KeyboardInterrupt
