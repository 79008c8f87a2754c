"""OpenVINO on a CPU, from a converted model or from what `vitrine quantize` wrote.

OpenVINO would compute in bf16 on every CPU that can; this engine sets the precision explicitly.
It imports neither torch nor transformers: `conversion.py` does, in a process of its own.
"""

import contextlib
import logging
import tempfile
from functools import partial
from pathlib import Path
from typing import cast

import numpy as np
import openvino as ov

from app.backend import Logits, Pixels
from app.classifier.cache.cache_entry import DAMAGE
from app.classifier.cache.converted_model import MODEL, ConvertedModel, read_converted
from app.classifier.cache.model_cache import open_entry
from app.classifier.checkpoint.files import Checkpoint
from app.classifier.checkpoint.loader_errors import translate_loader_errors
from app.classifier.engines.conversion_process import run_conversion
from app.classifier.engines.engine import EngineInput, EngineName, Precision
from app.errors import CheckpointError, ConversionError, SettingsError

TOLERANCE: dict[Precision, float] = {"fp32": 1e-3, "bf16": 0.2}
"""Maximum difference of a logit from torch's in fp32, relative and absolute."""

_HINTS: dict[Precision, str] = {"fp32": "f32", "bf16": "bf16", "int8": "f32"}
"""Precision of the layers that are not quantized."""

_FIX_RUN = "Set VITRINE_ENGINE=torch; or is there too little memory?"
_FIX_DISK = "Is the disk of VITRINE_CACHE, or of TMPDIR, well? Set VITRINE_ENGINE=torch otherwise."
_FIX_READ = "Run `vitrine quantize` again."

_logger = logging.getLogger("vitrine.classifier")


def load_openvino(
    checkpoint: Checkpoint, precision: Precision, cache: Path | None
) -> tuple["OpenvinoEngine", EngineInput]:
    """Load a checkpoint from the cache, or convert it first.

    Args:
        checkpoint: what to load.
        precision: `int8` for a quantized checkpoint, whose processor alone is converted.
        cache: folder of the cache; None for none.

    Raises:
        ConversionError: OpenVINO cannot run it.
        CheckpointError: it cannot be loaded at all.
        SettingsError: the CPU lacks the precision.
    """
    read = partial(_read, checkpoint, precision)
    write = partial(run_conversion, checkpoint, precision)
    entry = open_entry(cache, checkpoint, precision)
    if entry is not None:
        try:
            return entry.load(read, write)
        except DAMAGE as exc:
            _logger.warning("the converted model is not kept: %s", exc)
    with tempfile.TemporaryDirectory(prefix="vitrine-model-", ignore_cleanup_errors=True) as spare:
        try:
            write(Path(spare))
        except OSError as exc:
            message = f"The converted model cannot be written to {spare}: {exc}. Free some space."
            raise CheckpointError(message) from exc
        subject = f"the converted {checkpoint.folder} cannot be read"
        with translate_loader_errors(subject, _FIX_DISK):
            return read(Path(spare))


def _read(
    checkpoint: Checkpoint, precision: Precision, folder: Path
) -> tuple["OpenvinoEngine", EngineInput]:
    """Read a converted model, and check it on one image.

    Raises:
        OSError: a file is gone, or cannot be read.
        ValueError: it is not what was written.
        ConversionError: OpenVINO cannot run it.
    """
    model = read_converted(folder)
    engine_input = EngineInput(checkpoint, model.geometry, model.scaling)
    if checkpoint.quantized is not None:
        return _read_quantized(checkpoint.quantized, model), engine_input
    pixels, expected = model.read_example()
    subject = f"OpenVINO cannot run {checkpoint.folder}"
    with translate_loader_errors(subject, _FIX_RUN, ConversionError):
        engine = OpenvinoEngine(ov.Core().read_model(folder / MODEL), precision)
        logits = engine.run(pixels)
    check_logits(logits, expected, precision)
    return engine, engine_input


def check_logits(logits: Logits, expected: Logits, precision: Precision) -> None:
    """Raise ValueError if an engine's logits are not torch's `expected`."""
    tolerance = TOLERANCE[precision]
    if not np.allclose(logits, expected, tolerance, tolerance):
        raise ValueError("OpenVINO gives other logits than torch")


def _read_quantized(path: Path, converted: ConvertedModel) -> "OpenvinoEngine":
    """Build an engine from a quantized checkpoint; raises CheckpointError."""
    size = converted.geometry.size
    with translate_loader_errors(f"the quantized model {path} cannot be read", _FIX_READ):
        model = ov.Core().read_model(path)
        height, width = (model.input().partial_shape[axis].get_length() for axis in (1, 2))
    if (height, width) != size:
        message = (
            f"{path} was made for {height} x {width} pixels, but its image processor gives "
            f"{size[0]} x {size[1]}. {_FIX_READ}"
        )
        raise CheckpointError(message)
    return OpenvinoEngine(model, "int8")


class OpenvinoEngine:
    """OpenVINO on a CPU.

    On several threads a batch is shared out: each thread runs its own images. All threads on one
    batch would wait for each other after each layer, for the longer the more other processes run.
    Only the images that cannot be shared out evenly, and a lone one, run on all threads. It begins
    with one thread.

    Args:
        model: from pixels `[n, height, width, 3]` to logits `[n, labels]`.
        precision: `fp32`, `bf16` or `int8`.

    Raises:
        SettingsError: the CPU lacks the precision.
    """

    name: EngineName = "openvino"
    device = "cpu"
    slots = 1

    def __init__(self, model: ov.Model, precision: Precision) -> None:
        self.precision = precision
        self._model = model
        self._core = ov.Core()
        capabilities = self._core.get_property("CPU", "OPTIMIZATION_CAPABILITIES")
        if precision == "bf16" and "BF16" not in capabilities:
            raise SettingsError("VITRINE_PRECISION=bf16, but this CPU lacks it. Set it to fp32.")
        self._threads = 0
        self.set_threads(1)

    def run(self, pixels: Pixels) -> Logits:
        """Run pixels to logits."""
        rest = len(pixels) % len(self._streams)
        logits = _infer([self._request], [pixels[:rest]]) if rest else []
        if rest < len(pixels):
            parts = cast("list[Pixels]", np.split(pixels[rest:], len(self._streams)))
            logits += _infer(self._streams, parts)
        return np.concatenate(logits)

    def set_threads(self, count: int) -> None:
        """Compile for `count` threads, while no batch runs."""
        if count == self._threads:
            return
        self._threads = count
        self._request = self._compile(count, 1).create_infer_request()
        self._streams = [self._request]
        if count > 1:
            compiled = self._compile(count, count)
            self._streams = [compiled.create_infer_request() for _ in range(count)]

    def _compile(self, threads: int, streams: int) -> ov.CompiledModel:
        """Compile for so many threads, which `streams` share."""
        options: dict[str, str | int] = {
            "NUM_STREAMS": streams,
            "INFERENCE_NUM_THREADS": threads,
            "INFERENCE_PRECISION_HINT": _HINTS[self.precision],
        }
        return self._core.compile_model(self._model, "CPU", options)


def _infer(requests: list[ov.InferRequest], parts: list[Pixels]) -> list[Logits]:
    """Run each part by its request, the first one in this thread; raises when all have ended."""
    with contextlib.ExitStack() as running:
        for request, part in zip(requests[1:], parts[1:], strict=True):
            request.start_async([part], share_inputs=True)
            running.callback(request.wait)
        requests[0].infer([parts[0]], share_inputs=True)
    return [np.array(request.get_output_tensor().data, np.float32) for request in requests]
