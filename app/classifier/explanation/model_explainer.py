"""The explainer: tasks in, maps out, in batches. It knows no Ray.

What it runs is loaded when it is first needed.
"""

import logging
import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray

from app.backend import Geometry, Logits
from app.classifier.bisection import FAILURES
from app.classifier.checkpoint.files import Checkpoint
from app.classifier.engines.network import Normalizer
from app.classifier.engines.selection import EngineOptions
from app.classifier.explanation.maps import normalize
from app.classifier.explanation.occlusion import measure_drops
from app.classifier.explanation.parts import Parts
from app.classifier.explanation.support import OCCLUSION
from app.errors import ModelUnavailableError
from app.explainer_backend import Explained, ExplainTask

MAX_IMAGES = 8
"""Images in one run: of ViT-B/16, each keeps some 75 MB of activations until it ends."""

_logger = logging.getLogger("vitrine.explainer")


class ModelExplainer:
    """Explains one checkpoint.

    Args:
        checkpoint: what to explain.
        options: the device, and the engine that occlusion runs; None for the defaults.
        threads: of the CPU; None for as many as torch takes.

    Attributes:
        methods: those that fit, the default first.
        revision: of the checkpoint.
    """

    def __init__(
        self,
        checkpoint: Checkpoint,
        options: EngineOptions | None = None,
        threads: int | None = None,
    ) -> None:
        self._parts = Parts(checkpoint, options or EngineOptions(), threads)
        self._labels = range(len(checkpoint.labels))
        self._lock = threading.Lock()
        self.methods = self._parts.support.methods
        self.revision = checkpoint.revision

    @property
    def geometry(self) -> Geometry:
        """The geometry of the pixels; raises CheckpointError."""
        with self._lock:
            return self._parts.engine_input.geometry

    def load(self, methods: Iterable[str]) -> None:
        """Load what methods need, if it is not loaded yet; raises StartupError."""
        with self._lock:
            self._parts.load(methods)

    def fits(self, task: ExplainTask) -> bool:
        """Tell whether a task is for this checkpoint; raises StartupError."""
        is_known = task.method in self.methods and task.geometry == self.geometry
        return is_known and all(label_id in self._labels for label_id in task.label_ids)

    def explain(self, tasks: Sequence[ExplainTask]) -> list[Explained]:
        """Explain images of tasks that fit, those of one method together.

        An image that the model fails on gets NaN logits and maps of 0.

        Raises:
            StartupError: the checkpoint cannot be loaded, or was replaced.
            ModelUnavailableError: the device is lost.
        """
        found: dict[int, Explained] = {}
        with self._lock:
            for places in _group(tasks):
                explained = self._bisect([tasks[place] for place in places])
                found.update(zip(places, explained, strict=True))
        return [found[place] for place in range(len(tasks))]

    def _bisect(self, tasks: Sequence[ExplainTask]) -> list[Explained]:
        """Explain tasks of one method, in halves if they fail together."""
        run = self._occlude if tasks[0].method == OCCLUSION else self._look
        try:
            return run(tasks)
        except FAILURES as exc:
            if len(tasks) == 1:
                return [self._fail(run, tasks[0], exc)]
            _logger.warning("a batch of %d fails and is run in halves: %r", len(tasks), exc)
        half = (len(tasks) + 1) // 2
        return self._bisect(tasks[:half]) + self._bisect(tasks[half:])

    def _look(self, tasks: Sequence[ExplainTask]) -> list[Explained]:
        """Explain by the module."""
        parts = self._parts
        pixels = torch.from_numpy(np.stack([task.pixels for task in tasks]))
        label_ids = torch.tensor([task.label_ids for task in tasks], device=parts.device)
        inputs = Normalizer(parts.engine_input.scaling, parts.device)(pixels)
        maps = parts.method.explain(inputs, label_ids.long())
        relevance = normalize(maps.relevance.cpu().numpy())
        rows = zip(maps.logits.cpu().numpy(), maps.label_ids.tolist(), relevance, strict=True)
        return [
            self._answer(tasks[0].method, logits, tuple(ids), found) for logits, ids, found in rows
        ]

    def _occlude(self, tasks: Sequence[ExplainTask]) -> list[Explained]:
        """Explain by the engine."""
        found = []
        for task in tasks:
            logits, drops = measure_drops(self._parts.engine.run, task.pixels)
            label_ids = task.label_ids or (int(logits.argmax()),)
            relevance = normalize(drops[list(label_ids)])
            found.append(self._answer(task.method, logits, label_ids, relevance))
        return found

    def _answer(
        self,
        method: str,
        logits: Logits,
        label_ids: tuple[int, ...],
        relevance: NDArray[np.float32],
    ) -> Explained:
        """Make an answer."""
        layers = None if method == OCCLUSION else self._parts.method.layers
        return Explained(self.revision, label_ids, logits, relevance, method, layers)

    def _fail(
        self,
        run: Callable[[Sequence[ExplainTask]], list[Explained]],
        task: ExplainTask,
        exc: BaseException,
    ) -> Explained:
        """Make the answer of an image that fails alone, unless a blank one fails too."""
        try:
            (found,) = run([replace(task, pixels=np.zeros_like(task.pixels))])
        except FAILURES as failure:
            message = "The explainer's device fails; a new replica is starting."
            raise ModelUnavailableError(message) from failure
        _logger.error("the model fails on one image, which is refused", exc_info=exc)
        return replace(
            found,
            logits=np.full_like(found.logits, np.nan),
            relevance=np.zeros_like(found.relevance),
        )


def _group(tasks: Sequence[ExplainTask]) -> list[list[int]]:
    """Group the indices of tasks, by method and number of labels, into runs."""
    groups: dict[tuple[str, int], list[int]] = {}
    for place, task in enumerate(tasks):
        groups.setdefault((task.method, len(task.label_ids)), []).append(place)
    return [
        group[start : start + MAX_IMAGES]
        for group in groups.values()
        for start in range(0, len(group), MAX_IMAGES)
    ]
