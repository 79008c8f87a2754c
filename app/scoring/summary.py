"""What is told of a job at its end, and in its report: counted part by part, then merged."""

import heapq
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from pydantic import TypeAdapter

from app.datasets.sample import Sample
from app.offline.bulk_scorer import ScoredSample
from app.scoring.rows import Row

BINS = 20
"""Of the histogram of the best scores, from 0 to 1."""

SLOWEST, BROKEN, PICTURES = 5, 20, 12
"""Files that are kept as the slowest, as examples of problems, and of each label."""

SHEETS = 50
"""Labels whose pictures a report shows, those with the most images."""


@dataclass(frozen=True, slots=True)
class Uncertain:
    """An image that the model is not certain of."""

    score: float
    path: str
    uri: str
    row: int


@dataclass(slots=True)
class Summary:
    """What became of some images.

    Attributes:
        images: how many there are.
        labels: images of each best label.
        problems: images of each type of problem.
        scores: the histogram of the best scores.
        slowest: seconds to fetch and read, and the path.
        broken: path, type and detail of the first problems.
        uncertain: of each label, the images with the lowest score.
    """

    images: int = 0
    labels: Counter[str] = field(default_factory=Counter)
    problems: Counter[str] = field(default_factory=Counter)
    scores: list[int] = field(default_factory=lambda: [0] * BINS)
    slowest: list[tuple[float, str]] = field(default_factory=list)
    broken: list[tuple[str, str, str]] = field(default_factory=list)
    uncertain: dict[str, list[Uncertain]] = field(default_factory=dict)

    @property
    def count_problems(self) -> int:
        """The number of images that have a problem."""
        return self.problems.total()

    def merge(self, other: "Summary") -> None:
        """Add another one, but for its pictures."""
        self.images += other.images
        self.labels += other.labels
        self.problems += other.problems
        self.scores = [a + b for a, b in zip(self.scores, other.scores, strict=True)]
        self.slowest = heapq.nlargest(SLOWEST, [*self.slowest, *other.slowest])
        self.broken = [*self.broken, *other.broken][:BROKEN]

    def merge_pictures(self, other: "Summary", labels: Iterable[str]) -> None:
        """Add the pictures of these labels from another one."""
        for label in labels:
            both = [*self.uncertain.get(label, ()), *other.uncertain.get(label, ())]
            if both:
                least = heapq.nsmallest(PICTURES, both, key=lambda one: one.score)
                self.uncertain[label] = least

    def encode(self) -> bytes:
        """Encode as JSON, for `decode_summary`."""
        return TypeAdapter(Summary).dump_json(self)


def decode_summary(data: bytes) -> Summary:
    """Decode what `Summary.encode` has written; raises ValueError."""
    return TypeAdapter(Summary).validate_json(data)


def summarize(scored: Iterable[tuple[ScoredSample, Row]]) -> Summary:
    """Summarize the images of a part, with their rows."""
    summary, scores = Summary(), []
    uncertain: dict[str, list[Uncertain]] = {}
    for one, row in scored:
        summary.images += 1
        summary.slowest.append((one.seconds, row["path"]))
        if one.problem is not None:
            summary.problems[one.problem.type] += 1
            summary.broken.append((row["path"], one.problem.type, one.problem.detail))
            continue
        scores.append(row["score"])
        summary.labels[row["label"]] += 1
        uncertain.setdefault(row["label"], []).append(_note(one.sample, row["score"]))
    summary.scores = _count(np.asarray(scores, np.float32))
    found = Summary()
    summary.uncertain = uncertain
    found.merge(summary)
    found.merge_pictures(summary, uncertain)
    return found


def _note(sample: Sample, score: float) -> Uncertain:
    """Note an image for the report."""
    return Uncertain(score, sample.path, sample.uri, sample.row)


def _count(scores: NDArray[np.float32]) -> list[int]:
    """Count the scores in each bin; those outside, which a regression has, in the outermost."""
    counts, _ = np.histogram(scores.clip(0, 1), bins=BINS, range=(0, 1))
    return [int(one) for one in counts]
