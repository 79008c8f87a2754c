"""How good a checkpoint is on the held-out part, as the service would run it."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from app.backend import Logits
from app.classifier.checkpoint.best_checkpoint import find_checkpoint
from app.classifier.checkpoint.calibration import CALIBRATION
from app.classifier.checkpoint.choice import NEWEST, parse_choice
from app.classifier.startup import load_model
from app.datasets.fetcher import SampleFetcher
from app.datasets.sample import Sample
from app.errors import StartupError
from app.evaluation.calibration import Calibration, calibrate
from app.evaluation.metrics import Metrics, compute_metrics, score_all
from app.limits import derive_limits
from app.offline.bulk_scorer import BulkScorer
from app.settings import Settings
from app.training.run_folder import write_json

MAX_SUSPECTS = 20_000
"""Training images that are looked through for labels that may be wrong."""

SUSPECT_SCORE = 0.9
"""Score of another label from which on a training image's own label looks wrong."""


class Scores(NamedTuple):
    """Samples that were scored.

    Attributes:
        samples: `n` of them.
        label_ids: their own labels, `[n]` int64.
        logits: `[n, labels]` float32.
    """

    samples: list[Sample]
    label_ids: NDArray[np.int64]
    logits: Logits


class Mistake(NamedTuple):
    """An image that the model gives another label, and how surely."""

    sample: Sample
    named: str
    score: float


@dataclass(frozen=True, slots=True)
class Judgement:
    """How good a checkpoint is on held-out images.

    Attributes:
        metrics: of all of them.
        calibration: the temperature, and what it gives.
        scores: of each.
        mistakes: the surest first.
    """

    metrics: Metrics
    calibration: Calibration
    scores: Scores
    mistakes: tuple[Mistake, ...]


class Judge:
    """Scores samples by one checkpoint, on the engine that would serve.

    Args:
        settings: of the service; the model is replaced.
        checkpoint: folder.
        column: of a table, that holds images.
    """

    def __init__(self, settings: Settings, checkpoint: Path, column: str | None) -> None:
        itself = {"model": str(checkpoint), "checkpoint": NEWEST, "calibration": "off"}
        settings = settings.model_copy(update=itself | {"revision": None, "processor": None})
        limits = derive_limits(settings)
        self._model = load_model(settings)
        self._scorer = BulkScorer(self._model, limits, SampleFetcher(limits.max_bytes, column))
        self._ids = {label: index for index, label in enumerate(self.labels)}

    @property
    def labels(self) -> tuple[str, ...]:
        """Names, by label id."""
        return self._model.description.labels

    def score(self, samples: Sequence[Sample]) -> Scores:
        """Score samples; leaves out those that cannot be read."""
        done = [one for one in self._scorer.score(samples) if one.logits is not None]
        ids = np.array([self._ids[str(one.sample.label)] for one in done], np.int64)
        logits = [one.logits for one in done if one.logits is not None]
        empty = np.zeros((0, len(self.labels)), np.float32)
        return Scores([one.sample for one in done], ids, np.stack(logits) if logits else empty)

    def close(self) -> None:
        """End the processes that read images."""
        self._scorer.close()


def judge_scores(scores: Scores, labels: Sequence[str]) -> Judgement:
    """Judge scored held-out samples; raises StartupError where there is none."""
    if not scores.samples:
        message = (
            "No held-out image can be scored. The model's outputs may not be finite: give a "
            "smaller --lr, and another --out."
        )
        raise StartupError(message)
    return Judgement(
        metrics=compute_metrics(scores.logits, scores.label_ids, labels, "softmax"),
        calibration=calibrate(scores.logits, scores.label_ids),
        scores=scores,
        mistakes=tuple(find_mistakes(scores, labels)),
    )


def find_mistakes(scores: Scores, labels: Sequence[str], least: float = 0.0) -> Iterator[Mistake]:
    """Find images that get another label with at least a score of `least`, the surest first."""
    values = score_all(scores.logits, "softmax")
    best = values.argmax(-1)
    wrong = np.flatnonzero(best != scores.label_ids)
    for place in wrong[np.argsort(-values[wrong, best[wrong]], kind="stable")]:
        score = float(values[place, best[place]])
        if score >= least:
            yield Mistake(scores.samples[place], labels[best[place]], score)


def pick_training(samples: Sequence[Sample], seed: int) -> list[Sample]:
    """Pick the training images that are looked through for wrong labels: all, or MAX_SUSPECTS."""
    if len(samples) <= MAX_SUSPECTS:
        return list(samples)
    chosen = np.random.default_rng(seed).choice(len(samples), MAX_SUSPECTS, replace=False)
    return [samples[place] for place in np.sort(chosen)]


def write_calibration(folder: Path, judgement: Judgement) -> None:
    """Write the temperature beside a checkpoint's config.json."""
    write_json(folder / CALIBRATION, asdict(judgement.calibration))


def find_kept(folder: Path) -> tuple[Path, Path]:
    """Find the best and the last checkpoint of a run, as a service would; they may be one."""
    best = find_checkpoint(folder, parse_choice("best:accuracy"))
    return best, find_checkpoint(folder, parse_choice(NEWEST))
