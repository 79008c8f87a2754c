"""The pixels that one worker trains on: kept in memory where they fit, else streamed each epoch."""

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import torch

from app.training.learner import Batch

MAX_KEPT_BYTES = 1 << 30
"""Of pixels that a worker keeps, which saves Ray Data's start of every epoch and shuffles fully."""

READ_AHEAD = 1024
"""Images that are taken from Ray Data at once, and shuffled where they are streamed."""


class Every(NamedTuple):
    """Every `step`-th image, from number `first` on."""

    step: int = 1
    first: int = 0


class Shard:
    """One worker's part of a dataset.

    Args:
        iterator: Ray Data's, with columns `pixels` and `label_id`.
        batch_size: images of a batch.
        every: the images of the iterator that are this worker's.
        max_kept_bytes: of pixels that are kept.
    """

    def __init__(
        self,
        iterator: Any,  # noqa: ANN401 - Ray has no types
        batch_size: int,
        every: Every = Every(),  # noqa: B008 - it cannot change
        max_kept_bytes: int = MAX_KEPT_BYTES,
    ) -> None:
        self._iterator = iterator
        self._batch_size = batch_size
        self._every = every
        self._max_kept_bytes = max_kept_bytes
        self._kept: Batch | None = None
        self._fits = True

    def read(self, seed: int | None = None) -> Iterator[Batch]:
        """Read the images once, in batches; shuffled by a seed, if there is one."""
        if self._fits and self._kept is None:
            self._keep()
        return self._read_kept(seed) if self._kept else self._stream(seed)

    def _keep(self) -> None:
        """Keep all pixels, unless there are too many."""
        parts, size = [], 0
        for pixels, labels in self._stream(None, READ_AHEAD):
            parts.append((pixels, labels))
            size += pixels.numel()
            if size > self._max_kept_bytes:
                self._fits = False  # the rest of this pass is lost, once
                return
        if parts:
            self._kept = torch.cat([one for one, _ in parts]), torch.cat([one for _, one in parts])

    def _read_kept(self, seed: int | None) -> Iterator[Batch]:
        """Read what is kept."""
        assert self._kept is not None  # noqa: S101 - the caller has looked
        pixels, labels = self._kept
        order = torch.arange(len(labels))
        if seed is not None:
            order = torch.randperm(len(labels), generator=torch.Generator().manual_seed(seed))
        for start in range(0, len(order), self._batch_size):
            rows = order[start : start + self._batch_size]
            yield pixels[rows], labels[rows]

    def _stream(self, seed: int | None, size: int | None = None) -> Iterator[Batch]:
        """Read this worker's images from Ray Data."""
        shuffle = (
            {}
            if seed is None
            else {"local_shuffle_buffer_size": READ_AHEAD, "local_shuffle_seed": seed}
        )
        step, seen = self._every.step, 0
        for batch in self._iterator.iter_batches(
            batch_size=size or self._batch_size, batch_format="numpy", **shuffle
        ):
            own = slice((self._every.first - seen) % step, None, step)
            seen += len(batch["label_id"])
            labels = torch.from_numpy(np.array(batch["label_id"][own], np.int64))
            pixels = torch.from_numpy(np.array(batch["pixels"][own]))  # a copy: Ray's is read-only
            if len(labels):
                yield pixels, labels
