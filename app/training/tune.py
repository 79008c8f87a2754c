"""`vitrine tune`: a dataset in, a run folder out that `vitrine serve` takes."""

import shlex
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from app.classifier.checkpoint.files import open_checkpoint
from app.classifier.checkpoint.processor import load_processor
from app.classifier.engines.selection import check_installed, check_options
from app.classifier.startup import read_engine_options
from app.datasets.labelled import DatasetOptions, open_dataset
from app.errors import CheckpointError
from app.limits import derive_limits
from app.machine import count_cores
from app.ray_session import run_ray
from app.settings import Settings
from app.training.failures import explain_failures
from app.training.judgement import (
    SUSPECT_SCORE,
    Judge,
    Judgement,
    Mistake,
    find_kept,
    find_mistakes,
    judge_scores,
    pick_training,
    write_calibration,
)
from app.training.options import TuneOptions
from app.training.pixels import check_room, measure_room, read_pixels, take_part
from app.training.recipe import make_recipe
from app.training.report import Findings, write_report
from app.training.run_folder import RunFolder
from app.training.shard import MAX_KEPT_BYTES
from app.training.start import write_start
from app.training.survey import Survey, check_labels, list_findings, survey_pixels
from app.training.trainer import check_workers, list_resources, train_model
from app.training.worker import NO_BETTER

MIN_CPUS = 2
"""Of a Ray of our own: one for the trainer, and one for what reads images."""

OWN = {"RAY_TRAIN_HEALTH_CHECK_INTERVAL_S": "0.2", "OMP_WAIT_POLICY": "PASSIVE"}
"""Environment of it. Ray Train looks every 0.2 s for reports, which each epoch waits for, and not
every 2 s; and threads of torch that have nothing to do leave the cores to others."""

Say = Callable[[str], None]
"""Tells the user a line."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a run.

    Attributes:
        best: judgement of the checkpoint with the best accuracy.
        best_checkpoint: its folder.
        last: judgement of the last one; the same where that is the best.
        last_checkpoint: its folder.
    """

    best: Judgement
    best_checkpoint: Path
    last: Judgement
    last_checkpoint: Path


def tune_model(settings: Settings, options: TuneOptions, say: Say) -> Outcome:
    """Tune a model on a dataset, judge it, and write the run's folder.

    Args:
        settings: limits of images, and the engine that judges.
        options: of the run.
        say: tells the user how it goes; what it prints must have a `file`, for the standard output
            is Ray's meanwhile.

    Raises:
        StartupError: something is wrong, in one line.
    """
    for package in ("pyarrow", "kornia", "jinja2", "matplotlib"):
        check_installed(package, "Run `pip install 'vitrine[train]'`.")
    with explain_failures():
        return _tune(settings, options, say)


def _tune(settings: Settings, options: TuneOptions, say: Say) -> Outcome:
    """Do it; raises what disks and Ray raise, too."""
    run = _Run(settings, options, say)
    try:
        with run_ray(options.address, OWN, num_cpus=max(MIN_CPUS, count_cores())):
            survey = run.train()
        outcome, suspects = run.judge()
    except KeyboardInterrupt:
        say("stopped; the same command goes on after the last epoch that is shown")
        raise
    findings = Findings(survey, outcome.best, suspects, run.labels)
    report = write_report(run.folder, options, findings, derive_limits(settings))
    run.folder.finish()
    say(f"report: {report}")
    say(f"serve it: VITRINE_MODEL={shlex.quote(str(run.folder.path))} vitrine serve")
    return outcome


class _Run:
    """A run: its folder and its dataset, from the first look at them to the judgement."""

    def __init__(self, settings: Settings, options: TuneOptions, say: Say) -> None:
        self._settings, self._options, self._say = settings, options, say
        dataset_options = DatasetOptions(
            options.column, options.label_column, options.holdout, options.seed
        )
        self._dataset = open_dataset(options.dataset, dataset_options)
        check_labels(self._dataset)
        self.folder = RunFolder(options, self._dataset)
        self.folder.create()
        start = write_start(settings, options, self._dataset, self.folder.start)
        # Or the end of the training would tell what the model is judged with.
        check_options(open_checkpoint(str(self.folder.start)), read_engine_options(settings))
        self.labels = start.labels
        say(start.about)

    def train(self) -> Survey:
        """Read and survey the dataset, and train."""
        if wait := check_workers(self._options, list_resources()):
            self._say(wait)
        geometry, _ = load_processor(self.folder.start)
        if geometry.fallback is not None:
            message = (
                f"--base {self._options.base}: its image processor has steps of its own, which "
                "cannot be tuned. Give another --base, or VITRINE_PROCESSOR with a plain one."
            )
            raise CheckpointError(message)
        reader = (geometry, derive_limits(self._settings), self._options.column)
        ids = {label: index for index, label in enumerate(self.labels)}
        parts = (self._dataset.train, self._dataset.held_out)
        if self._options.address is None:
            check_room(len(parts[0]) + len(parts[1]), geometry, measure_room())
        pixels = read_pixels(parts, ids, reader).materialize()
        survey = survey_pixels(pixels, self._dataset, self.labels)
        for line in list_findings(survey, self.labels):
            self._say(line)
        recipe = make_recipe(self._options, list(survey.counts))
        split = self._split(pixels)
        del pixels  # or each image would be held twice while the model learns
        may_use_gpu = self._settings.device != "cpu"
        ended = train_model(recipe, split, self.folder.path, self._show, may_use_gpu=may_use_gpu)
        if ended == NO_BETTER:
            self._say(f"stopped: the accuracy has not grown in {self._options.patience} epochs")
        return survey

    def judge(self) -> tuple[Outcome, list[Mistake]]:
        """Judge and calibrate what is kept; gives training images too whose label looks wrong."""
        best, last = find_kept(self.folder.path)
        found, suspects = self._judge(best, look_through=True)
        later = found if last == best else self._judge(last)[0]
        write_calibration(last, later)
        write_calibration(best, found)
        self._say(f"best checkpoint: {best.name}, accuracy {found.metrics.accuracy:.2%}")
        return Outcome(found, best, later, last), suspects

    def _split(self, pixels: Any) -> dict[str, Any]:  # noqa: ANN401 - Ray has no types
        """Split the pixels into what Ray Train gives to its workers."""
        train, held_out = (take_part(pixels, held_out=side) for side in (False, True))
        if self._options.workers > 1 or pixels.size_bytes() > MAX_KEPT_BYTES:
            # A worker's part, and what it shuffles at once, must have images of all labels.
            train = train.random_shuffle(seed=self._options.seed)
        return {"train": train.materialize(), "held_out": held_out.materialize()}

    def _show(self, metrics: dict[str, float]) -> None:
        """Show an epoch."""
        line = "epoch {epoch} of {epochs}: loss {train_loss:.4f}, held out {loss:.4f}, accuracy "
        line += "{accuracy:.2%}, {seconds:.1f} s"
        self._say(line.format(epochs=self._options.epochs, **metrics))

    def _judge(
        self, checkpoint: Path, *, look_through: bool = False
    ) -> tuple[Judgement, list[Mistake]]:
        """Judge a checkpoint; gives training images too whose label looks wrong, if asked."""
        judge = Judge(self._settings, checkpoint, self._options.column)
        try:
            judgement = judge_scores(judge.score(self._dataset.held_out), self.labels)
            suspects: list[Mistake] = []
            if look_through:
                some = pick_training(self._dataset.train, self._options.seed)
                suspects = list(find_mistakes(judge.score(some), self.labels, SUSPECT_SCORE))
        finally:
            judge.close()
        return judgement, suspects
