"""Evaluation: labelled images, scored as the service would, and what the predictions are worth."""

import time
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from itertools import count

import numpy as np

from app.backend import Description, Logits
from app.classifier.startup import load_model
from app.datasets.fetcher import SampleFetcher
from app.datasets.labelled import DatasetOptions, open_labelled
from app.datasets.names import show_location
from app.datasets.sample import Sample
from app.errors import DatasetError, ProblemError
from app.evaluation.calibration import Calibration, calibrate
from app.evaluation.metrics import Ids, Metrics, compute_metrics
from app.limits import derive_limits
from app.offline.bulk_scorer import BulkScorer, ScoredSample
from app.offline.label_match import match_labels
from app.settings import Settings

Show = Callable[[int, int], None]
"""Shows progress: the samples that are done, and all."""

Failed = tuple[Sample, ProblemError]
"""A sample, and why it has no prediction."""


@dataclass(frozen=True, slots=True)
class Evaluation:
    """What a model's predictions of a dataset are worth.

    Attributes:
        dataset: its name, as it was given, but without secrets.
        decode: how images were decoded: exact or scaled.
        description: of the model.
        metrics: of the images that could be scored.
        calibration: None where the model's scores are no softmax.
        samples: those that could be scored, in the order of `metrics.label_ids`.
        logits: of them `[n, labels]`, divided by the temperature that the service would use.
        failed: the others.
        seconds: that reading and scoring took, without loading the model.
    """

    dataset: str
    decode: str
    description: Description
    metrics: Metrics
    calibration: Calibration | None
    samples: Sequence[Sample] = field(repr=False)
    logits: Logits = field(repr=False)
    failed: Sequence[Failed] = field(repr=False)
    seconds: float

    @property
    def rate(self) -> float:
        """Images a second, with those that failed."""
        return (len(self.samples) + len(self.failed)) / self.seconds


def evaluate_dataset(
    settings: Settings, dataset: str, options: DatasetOptions, show: Show
) -> Evaluation:
    """Evaluate the model of the settings, with the engine that would serve it.

    Args:
        settings: all of them.
        dataset: a folder of labels, whose held-out part counts where it has one, or a table.
        options: of the dataset.
        show: shows progress.

    Raises:
        StartupError: the model cannot be loaded, the dataset cannot be read, its labels are not the
            model's, or no image can be scored.
        ModelUnavailableError: the device is lost.
    """
    samples = open_labelled(dataset, options)
    model, limits = load_model(settings), derive_limits(settings)
    label_ids = match_labels([str(one.label) for one in samples], model.description.labels)
    fetch = SampleFetcher(limits.max_bytes, options.column)
    with closing(BulkScorer(model, limits, fetch)) as scorer:
        started = time.perf_counter()
        scored = _score(scorer, samples, show)
        seconds = time.perf_counter() - started
    failed = [(one.sample, one.problem) for one in scored if one.problem is not None]
    if len(failed) == len(samples):
        message = f"None of {len(samples)} images could be scored. The first one: {failed[0][1]}"
        raise DatasetError(message)
    good = [index for index, one in enumerate(scored) if one.problem is None]
    raw = np.stack([scored[index].logits for index in good])  # type: ignore[misc] # no None
    logits = raw / np.float32(model.description.temperature)
    metrics, calibration = _measure(logits, label_ids[good], model.description)
    kept = [samples[index] for index in good]
    about = (show_location(dataset), settings.decode, model.description)
    return Evaluation(*about, metrics, calibration, kept, logits, failed, seconds)


def _score(scorer: BulkScorer, samples: Sequence[Sample], show: Show) -> list[ScoredSample]:
    """Score all samples."""
    done = count(1)
    return scorer.score(samples, lambda _: show(next(done), len(samples)))


def _measure(
    logits: Logits, label_ids: Ids, description: Description
) -> tuple[Metrics, Calibration | None]:
    """Compute the metrics, and the calibration where scores are those of softmax."""
    metrics = compute_metrics(logits, label_ids, description.labels, description.activation)
    is_softmax = description.activation == "softmax"
    return metrics, calibrate(logits, label_ids) if is_softmax else None
