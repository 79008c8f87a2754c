"""Ray Train around the worker: how many, where checkpoints go, and what its failures mean."""

import json
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from concurrent.futures import TimeoutError as NotYet
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any, cast

import psutil

from app.errors import SettingsError, StartupError
from app.training.failures import explain_failure
from app.training.options import TuneOptions
from app.training.recipe import Recipe
from app.training.run_folder import METRICS
from app.training.worker import NOT_FINITE, run_worker

TRIES = 3
"""Failures of workers that a run survives, each from its newest checkpoint."""

START_TRIES = 10
"""Minutes in which a cluster may make room for the workers: an autoscaler takes some for a node."""

POLL_S = 0.2
"""Seconds between two looks at the metrics."""

END_S = 15.0
"""Seconds that Ray Train may take to end after Ctrl-C."""

CONTROLLER = "ray::TrainController"
"""In the name of its process."""

Show = Callable[[dict[str, float]], None]


def train_model(
    recipe: Recipe, parts: dict[str, Any], folder: Path, show: Show, *, may_use_gpu: bool
) -> str:
    """Train, and give why the run ended early, or nothing.

    Args:
        recipe: what to do.
        parts: Ray Data's `train` and `held_out`.
        folder: of the run.
        show: gets the metrics of each epoch.
        may_use_gpu: where there is one for each worker.

    Raises:
        StartupError: training failed.
    """
    lines = _MetricsLines(folder / METRICS, show)
    done: Future[str] = Future()
    fit = partial(_settle, done, partial(_fit, recipe, parts, folder, may_use_gpu))
    # A thread of its own, because Ray Train takes Ctrl-C from the main one and goes on.
    threading.Thread(target=fit, daemon=True, name="fit").start()
    try:
        while not done.done():
            _wait(done, POLL_S)
            lines.show()
    except KeyboardInterrupt:
        _end_controller()
        _wait(done, END_S)
        raise
    ended = done.result()
    lines.show()
    if ended == NOT_FINITE:
        message = (
            "The loss is not a finite number any more. Give a smaller --lr (a tenth), and remove "
            f"{folder}, or give another --out; checkpoints of earlier epochs are there."
        )
        raise StartupError(message)
    return ended


def list_resources() -> dict[str, float]:
    """List what Ray has, such as `CPU`, whoever uses it now."""
    import ray  # noqa: PLC0415

    return dict(ray.cluster_resources())


def check_workers(options: TuneOptions, resources: Mapping[str, float]) -> str:
    """Compare the workers with Ray's resources; gives a line where they must wait for more.

    Raises:
        SettingsError: there will never be more, because Ray is our own.
    """
    most = int(max(resources.get("CPU", 0), resources.get("GPU", 0)))
    if options.workers <= most:
        return ""
    each = "each needs a CPU core, or all need a GPU each"
    if options.address is None:
        message = f"--workers {options.workers}: this machine has room for {most}; {each}."
        raise SettingsError(message)
    return (
        f"the cluster has room for {most} workers; {each}. {options.workers} wait up to "
        f"{START_TRIES} minutes for more nodes"
    )


def _fit(recipe: Recipe, parts: dict[str, Any], folder: Path, may_use_gpu: bool) -> str:  # noqa: FBT001
    """Run Ray Train."""
    import ray  # noqa: PLC0415
    from ray import train  # noqa: PLC0415
    from ray.train.torch import TorchTrainer  # noqa: PLC0415

    use_gpu = may_use_gpu and ray.cluster_resources().get("GPU", 0) >= recipe.options.workers
    trainer = TorchTrainer(
        run_worker,
        train_loop_config={"recipe": recipe, "folder": str(folder)},
        scaling_config=train.ScalingConfig(num_workers=recipe.options.workers, use_gpu=use_gpu),
        run_config=train.RunConfig(
            name=folder.name,
            storage_path=str(folder.parent),
            failure_config=train.FailureConfig(
                max_failures=TRIES, controller_failure_limit=START_TRIES - 1
            ),
            checkpoint_config=train.CheckpointConfig(
                num_to_keep=1, checkpoint_score_attribute="accuracy"
            ),
        ),
        datasets=parts,
        # Equal parts to train on. All workers read what is held out, and each scores its own share.
        dataset_config=train.DataConfig(datasets_to_split=["train"]),
    )
    return cast("str", trainer.fit().return_value)


def _settle(done: "Future[str]", act: Callable[[], str]) -> None:
    """Act, and hand on what comes of it."""
    from ray.exceptions import RayError  # noqa: PLC0415
    from ray.train import TrainingFailedError  # noqa: PLC0415

    failure: Exception = StartupError("Training did not run; the lines above say why.")
    try:
        done.set_result(act())
    except (TrainingFailedError, RayError, OSError, RuntimeError, ValueError) as exc:
        failure = explain_failure(exc, f"Training failed {TRIES + 1} times")
        failure.__cause__ = exc
    finally:
        if not done.done():
            done.set_exception(failure)


def _wait(done: "Future[str]", seconds: float) -> None:
    """Wait for the end, so long at most; Ctrl-C comes through."""
    try:
        done.exception(seconds)
    except NotYet:
        return


def _end_controller() -> None:
    """End Ray Train's controller, where Ray is our own, and with it the thread that waits for it.

    A thread that calls Ray when that has ended would end the whole process, with exit code 1.
    """
    for one in psutil.Process().children(recursive=True):
        with suppress(psutil.Error):
            if CONTROLLER in " ".join(one.cmdline()):
                one.kill()


class _MetricsLines:
    """The lines of the metrics file that were not shown yet."""

    def __init__(self, path: Path, show: Show) -> None:
        self._path = path
        self._show = show
        self._shown = 0

    def show(self) -> None:
        """Show what is new."""
        text = self._path.read_text("utf-8") if self._path.exists() else ""
        lines = text[: text.rfind("\n") + 1].splitlines()
        for line in lines[self._shown :]:
            self._show(json.loads(line))
        self._shown = len(lines)  # fewer after a failure: the epochs since are run again
