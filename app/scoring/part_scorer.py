"""Scores parts of a job: the class that Ray Data's actors are made of.

It fetches and decodes the images itself, in its reading processes, and writes the rows itself: no
image is ever in Ray's object store. A failure that ends the job travels as a value, so that the
command can tell it in one line.
"""

import time
from dataclasses import dataclass
from typing import Any

import numpy as np
import ray
from numpy.typing import NDArray

from app.classifier.startup import load_model
from app.datasets.fetcher import SampleFetcher
from app.errors import DatasetError, ProblemError, StartupError
from app.limits import derive_limits
from app.offline.bulk_scorer import BulkScorer, ScoredSample
from app.scoring.board import RETRIES
from app.scoring.folder import OutputFolder, describe
from app.scoring.manifest import read_manifest
from app.scoring.options import ScoreOptions
from app.scoring.part_names import name_part, name_summary
from app.scoring.rows import build_schema, encode_rows, make_row
from app.scoring.summary import summarize
from app.settings import Settings

TELL_S = 0.5
"""Seconds between two messages about progress."""

DIED = (
    f"The process that scores has died {RETRIES + 1} times with no part done. Is the memory too "
    "small? VITRINE_BATCH_SIZE bounds what it holds"
)
"""Ray Data itself would begin the part again for ever."""

Batch = dict[str, NDArray[Any]]


@dataclass(frozen=True, slots=True)
class Task:
    """What the actors of a job need.

    Attributes:
        settings: of the model and the limits.
        revision: of the model that the job was begun with.
        options: of the command.
        folder: to write to.
        sharing: actors that may run on one machine, which share its cores.
        board: the actor for progress.
    """

    settings: Settings
    revision: str
    options: ScoreOptions
    folder: OutputFolder
    sharing: int
    board: Any


class PartScorer:
    """Scores the parts whose numbers come, one at a time."""

    def __init__(self, task: Task) -> None:
        self._task = task
        self._failure = ""
        try:
            self._scorer = self._start()
        except (StartupError, ProblemError) as exc:
            self._failure = str(exc)

    def __call__(self, batch: Batch) -> Batch:
        """Score parts.

        Args:
            batch: `part` `[n]`: their numbers.

        Returns:
            The same, with `failure` `[n]`: why the job must stop; empty where it goes on.
        """
        failures = [self._failure or self._try_part(int(part)) for part in batch["part"]]
        return {"part": batch["part"], "failure": np.asarray(failures, object)}

    def _start(self) -> BulkScorer:
        """Load the model and start the reading processes; raises StartupError or ProblemError."""
        if not ray.get(self._task.board.start.remote()):
            raise StartupError(DIED)
        settings, sharing = self._task.settings, self._task.sharing
        fetch = SampleFetcher(settings.max_bytes, self._task.options.column)
        model = load_model(settings, sharing)
        check_revision(model.description.revision, self._task.revision)
        return BulkScorer(model, derive_limits(settings, sharing), fetch)

    def _try_part(self, part: int) -> str:
        """Score and write a part; returns why the job must stop, else an empty text."""
        try:
            self._score_part(part)
        except (ProblemError, DatasetError) as exc:
            return str(exc).removesuffix(".")
        except OSError as exc:
            return f"{self._task.folder.name} cannot be written or read: {describe(exc)}"
        return ""

    def _score_part(self, part: int) -> None:
        """Score and write a part; its summary, which says that it is done, comes last."""
        task, description = self._task, self._scorer.model.description
        samples = read_manifest(task.folder, part)
        teller = Teller(task.board, part)
        scored = self._scorer.score(samples, teller.count)
        rows = [make_row(one, description, task.options) for one in scored]
        data = encode_rows(rows, build_schema(task.options), task.options.format)
        task.folder.write(name_part(part, task.options.format), data)
        summary = summarize(zip(scored, rows, strict=True))
        task.folder.write(name_summary(part), summary.encode())
        teller.tell()
        task.board.finish.remote()


def check_revision(found: str, wanted: str) -> None:
    """Refuse the rows of two models in one folder; raises StartupError."""
    if found != wanted:
        message = (
            f"The model has changed, or is another one on another node: revision {found}, and the "
            f"job was begun with {wanted}. Name one checkpoint by VITRINE_MODEL, or the commit of "
            "a Hub id by VITRINE_REVISION"
        )
        raise StartupError(message)


class Teller:
    """Tells the board how far a part is, not more often than is read."""

    def __init__(self, board: Any, part: int) -> None:  # noqa: ANN401 - a handle of Ray
        self._board, self._part = board, part
        self._images = self._problems = 0
        self._told = time.monotonic()

    def count(self, scored: ScoredSample) -> None:
        """Count an image."""
        self._images += 1
        self._problems += scored.problem is not None
        if time.monotonic() - self._told > TELL_S:
            self.tell()

    def tell(self) -> None:
        """Tell what was counted."""
        self._told = time.monotonic()
        self._board.note.remote(self._part, self._images, self._problems)
