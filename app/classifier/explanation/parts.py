"""What an explainer runs, loaded from one checkpoint when it is first needed.

A module of its own, in fp32 and with the attention that engines do not give; and for occlusion the
engine that serves.
"""

from collections.abc import Iterable
from dataclasses import replace
from functools import cached_property

import torch

from app.classifier.checkpoint.files import Checkpoint, is_unchanged
from app.classifier.checkpoint.processor import load_processor
from app.classifier.checkpoint.weights import load_weights
from app.classifier.engines.engine import Engine, EngineInput
from app.classifier.engines.gpu import has_gpu
from app.classifier.engines.selection import EngineOptions, build_engine
from app.classifier.explanation.activation import ActivationMethod
from app.classifier.explanation.attention import AttentionMethod
from app.classifier.explanation.occlusion import BATCH
from app.classifier.explanation.support import HIRESCAM, OCCLUSION, find_support
from app.errors import CheckpointError


class Parts:
    """The parts of one checkpoint, for one thread at a time.

    Each raises StartupError if it cannot be loaded, or if the files are no longer those that were
    opened: parts of two revisions would answer under one name.

    Args:
        checkpoint: what to load.
        options: the device, and the engine that occlusion runs.
        threads: of the CPU; None for as many as torch takes.

    Attributes:
        support: the methods that fit the checkpoint.
    """

    def __init__(self, checkpoint: Checkpoint, options: EngineOptions, threads: int | None) -> None:
        self._checkpoint = checkpoint
        self._options = options
        self._threads = threads
        self.support = find_support(checkpoint)

    def load(self, methods: Iterable[str]) -> None:
        """Load what methods need, if it is not loaded yet."""
        _ = self.engine_input
        for method in methods:
            _ = self.engine if method == OCCLUSION else self.method

    @cached_property
    def engine_input(self) -> EngineInput:
        """The checkpoint and its processor."""
        processor = load_processor(self._checkpoint.processor_folder)
        self._check_files()
        return EngineInput(self._checkpoint, *processor)

    @cached_property
    def device(self) -> torch.device:
        """Where the module runs."""
        return torch.device("cuda:0" if has_gpu(self._options.device) else "cpu")

    @cached_property
    def method(self) -> AttentionMethod | ActivationMethod:
        """The module, and the method that looks into it."""
        if self._threads is not None:
            torch.set_num_threads(self._threads)
        torch.backends.cudnn.allow_tf32 = False  # else fp32 convolutions on a GPU have 10 bits
        module = load_weights(self._checkpoint).to(self.device).requires_grad_(requires_grad=False)
        self._check_files()
        make = ActivationMethod if HIRESCAM in self.support.methods else AttentionMethod
        return make(module, self.support.layers)

    @cached_property
    def engine(self) -> Engine:
        """The engine that serves, which occlusion runs."""
        options = replace(self._options, buckets=(BATCH,))
        engine, _ = build_engine(self._checkpoint, options)
        self._check_files()
        engine.set_threads(self._threads or torch.get_num_threads())
        return engine

    def _check_files(self) -> None:
        """Raise CheckpointError if what was loaded may not be what was opened."""
        try:
            is_same = is_unchanged(self._checkpoint)
        except OSError:
            is_same = False
        if not is_same:
            folder = self._checkpoint.folder
            raise CheckpointError(f"The files of {folder} were replaced since they were opened.")
