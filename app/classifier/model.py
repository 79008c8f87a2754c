"""The model: scores groups of pixels on an engine. It knows no torch and no Ray."""

import logging
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from typing import cast

import numpy as np

from app.backend import Description, Group, Logits, Pixels, Scored
from app.classifier import metrics
from app.classifier.bisection import bisect
from app.classifier.checkpoint.files import Checkpoint
from app.classifier.checkpoint.loader_errors import translate_loader_errors
from app.classifier.engines.engine import HALF_PRECISIONS, Engine, list_sizes
from app.classifier.engines.selection import EngineOptions, build_eager_engine, build_engine
from app.classifier.explanation.support import find_support
from app.classifier.hang_detector import HangDetector
from app.errors import ModelUnavailableError

MAX_WARM_UP_S = 0.25
"""After a batch that took longer, no larger one is warmed up."""

_logger = logging.getLogger("vitrine.classifier")


class Model:
    """One checkpoint on one engine.

    Args:
        checkpoint: what to load.
        options: device, engine, precision and buckets; None for the defaults.

    Attributes:
        engine: what runs it.
        overflows: batches that half precision could not express and that ran in fp32.
        max_batch: images that are run at once, halved by each batch that lacks memory.

    Raises:
        StartupError: the checkpoint or the device cannot be used.
    """

    def __init__(self, checkpoint: Checkpoint, options: EngineOptions | None = None) -> None:
        self.engine, self._engine_input = build_engine(checkpoint, options or EngineOptions())
        self.overflows = 0
        self.max_batch = sys.maxsize
        self._exact: Engine | None = None
        self._lock = threading.Lock()
        support = find_support(checkpoint)
        self.description = Description(
            model_id=checkpoint.id,
            revision=checkpoint.revision,
            labels=checkpoint.labels,
            activation=checkpoint.activation,
            geometry=self._engine_input.geometry,
            device=self.engine.device,
            engine=f"{self.engine.name} {self.engine.precision}",
            methods=support.methods,
            unexplained=support.reason,
            temperature=checkpoint.temperature,
        )
        self._hang_detector = HangDetector()
        self._is_lost = False
        self._check_fit(checkpoint)

    def score(self, groups: Sequence[Group]) -> list[Scored]:
        """Score groups as one batch.

        A group of another geometry gets no logits; an image that the model fails on gets NaN ones.

        Raises:
            ModelUnavailableError: the device is lost.
        """
        started = time.perf_counter()
        fitting = [group for group in groups if group.geometry == self.description.geometry]
        logits: Iterator[Logits] = iter(())
        if fitting:
            pixels = cast("Pixels", np.concatenate([group.pixels for group in fitting]))
            ends = np.cumsum([len(group.pixels) for group in fitting])[:-1]
            metrics.batch_images.observe(len(pixels))
            with metrics.batch_seconds.time():
                logits = iter(np.split(self._run(pixels), ends))
        inference_ms = (time.perf_counter() - started) * 1000
        return [
            Scored(
                revision=self.description.revision,
                logits=next(logits) if group.geometry == self.description.geometry else None,
                description=self._describe_if_changed(group),
                inference_ms=inference_ms,
            )
            for group in groups
        ]

    def check(self) -> None:
        """Raise ModelUnavailableError if the device is lost or a batch hangs; runs nothing."""
        if self._is_lost:
            raise ModelUnavailableError("The model's device fails; a new replica is starting.")
        self._hang_detector.check()

    @property
    def is_busy(self) -> bool:
        """Whether a batch runs."""
        return self._hang_detector.is_busy

    @property
    def best_rate(self) -> float:
        """Images/s of the fastest batch so far: about what the model can do."""
        return self._hang_detector.best_rate

    def run_probe(self) -> None:
        """Run a blank image; raises as `check` does."""
        self._run(self._make_blank(1))
        self.check()

    def forward(self, pixels: Pixels) -> Logits:
        """Run pixels `[n, height, width, 3]` to logits `[n, labels]`, float32.

        A batch that overflows half precision runs again in fp32.
        """
        logits = self.engine.run(pixels)
        if self.engine.precision in HALF_PRECISIONS and not np.isfinite(logits).all():
            self.overflows += 1
            metrics.overflows.inc()
            _logger.warning(
                "%s gave logits that are not finite; this batch (number %d) runs again in fp32",
                self.engine.precision,
                self.overflows,
            )
            return self._load_exact().run(pixels)
        return logits

    def _load_exact(self) -> Engine:
        """Load the checkpoint in fp32 when it is first needed."""
        with self._lock:
            if self._exact is None:
                self._exact = build_eager_engine(self._engine_input, self.engine.device)
            return self._exact

    def warm_up(self, batch_size: int) -> None:
        """Run a blank batch of each size of `list_sizes`, up to the first slow one.

        After a slow batch the extra cost of the first one of its size is negligible.
        """
        for size in list_sizes(batch_size):
            started = time.perf_counter()
            self.run_blank(size)
            seconds = time.perf_counter() - started
            if seconds > MAX_WARM_UP_S:
                break
        self._hang_detector.note(seconds, size)

    def run_blank(self, size: int) -> None:
        """Run a blank batch of `size` images."""
        self.forward(self._make_blank(size))

    def _run(self, pixels: Pixels) -> Logits:
        """Run a batch under the hang detector, bisect it if it fails, and note a lost device."""
        with self._hang_detector.time(len(pixels)):
            try:
                return bisect(self._forward_in_parts, pixels)
            except ModelUnavailableError:
                self._is_lost = True
                raise

    def _forward_in_parts(self, pixels: Pixels) -> Logits:
        """Run a batch in parts that fit into memory; raises what `forward` raises."""
        if len(pixels) > self.max_batch:
            starts = range(0, len(pixels), self.max_batch)
            parts = [pixels[start : start + self.max_batch] for start in starts]
            return np.concatenate([self._forward_in_parts(part) for part in parts])
        try:
            return self.forward(pixels)
        except MemoryError:
            if len(pixels) == 1:
                raise
            self.max_batch = min(self.max_batch, (len(pixels) + 1) // 2)
        return self._forward_in_parts(pixels)

    def _make_blank(self, size: int) -> Pixels:
        """Make blank pixels `[size, height, width, 3]`."""
        geometry = self.description.geometry
        return cast("Pixels", np.zeros((size, *geometry.shape), geometry.dtype))

    def _check_fit(self, checkpoint: Checkpoint) -> None:
        """Refuse a processor whose pixels the model cannot run on."""
        height, width = self.description.geometry.size
        subject = (
            f"the model of {checkpoint.folder} cannot run on the {height} x {width} pixels that "
            f"the image processor of {checkpoint.processor_folder} gives"
        )
        with translate_loader_errors(
            subject, "Set VITRINE_PROCESSOR to the processor that it was tuned with."
        ):
            self.warm_up(1)

    def _describe_if_changed(self, group: Group) -> Description | None:
        """Describe this model if the group names another revision, geometry or temperature."""
        return None if group.knows(self.description) else self.description
