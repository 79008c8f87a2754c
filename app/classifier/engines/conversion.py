"""Conversion of a checkpoint by torch: to OpenVINO's files, or to int8.

Serving imports it only where there is something to convert, and then in a process of its own.
"""

import json
import logging
import warnings
from pathlib import Path

import numpy as np
import openvino as ov
import torch

from app.backend import Pixels
from app.classifier.cache.converted_model import EXAMPLE, EXPECTED, MODEL, write_manifest
from app.classifier.cache.model_cache import open_entry
from app.classifier.checkpoint.files import Checkpoint, is_unchanged
from app.classifier.checkpoint.loader_errors import silence, translate_loader_errors
from app.classifier.checkpoint.processor import load_processor
from app.classifier.engines.conversion_process import Job
from app.classifier.engines.engine import EngineInput, Precision
from app.classifier.engines.network import Network, load_network, make_example
from app.classifier.engines.openvino import OpenvinoEngine, check_logits
from app.errors import CheckpointError, ConversionError

_FIX_CONVERT = "Set VITRINE_ENGINE=torch; OpenVINO does not know this architecture."
_FIX_WRITE = "Look at the reason; is there room on the disk? Else serve it in fp32."

CHECK_BATCH = 5
"""Images that a conversion is checked on; it was traced on two."""

_CPU = torch.device("cpu")

_logger = logging.getLogger("vitrine.classifier")


def convert(job: Job) -> Path:
    """Convert a checkpoint, unless another process does so meanwhile; returns the folder.

    It is the cache's where there is one with room, else the job's own.

    Raises:
        ConversionError: OpenVINO cannot run it.
        CheckpointError: it cannot be loaded, or was replaced meanwhile.
        SettingsError: the CPU lacks the precision.
    """
    entry = open_entry(job.cache, job.checkpoint, job.precision)
    if entry is None:
        return _write_spare(_Conversion(job.checkpoint, job.precision), job.spare)
    with entry.locked():
        if (found := entry.read()) is not None:
            return found.folder
        conversion = _Conversion(job.checkpoint, job.precision)
        try:
            return entry.keep(conversion.write)
        except OSError as exc:
            _logger.warning("the converted model is not kept: %s", exc)
        return _write_spare(conversion, job.spare)


def _write_spare(conversion: "_Conversion", folder: Path | None) -> Path:
    """Write a conversion that is not kept; raises CheckpointError."""
    if folder is None:
        raise CheckpointError("The converted model cannot be kept.")
    try:
        conversion.write(folder)
    except OSError as exc:
        message = f"The converted model cannot be written to {folder}: {exc}. Free some space."
        raise CheckpointError(message) from exc
    return folder


class _Conversion:
    """A converted checkpoint in memory; raises what `convert` raises."""

    def __init__(self, checkpoint: Checkpoint, precision: Precision) -> None:
        self._source = EngineInput(checkpoint, *load_processor(checkpoint.processor_folder))
        self._model: ov.Model | None = None
        if checkpoint.quantized is None:
            self._convert(precision)
        if not is_unchanged(checkpoint):
            message = f"The files of {checkpoint.folder} were replaced while they were read."
            raise CheckpointError(f"{message} Start again.")

    def _convert(self, precision: Precision) -> None:
        """Convert the network, and check it on a batch of another size."""
        network = load_network(self._source, "fp32", _CPU)
        example = make_example(self._source, CHECK_BATCH)
        self._model = convert_network(self._source, network)
        engine = OpenvinoEngine(self._model, precision)
        subject = f"the model of {self._source.checkpoint.folder} fails"
        with translate_loader_errors(subject, _FIX_CONVERT, ConversionError):
            with torch.inference_mode():
                expected = network(example).numpy()
            check_logits(engine, example.numpy(), expected)
        self._example, self._expected = example.numpy(), expected

    def write(self, folder: Path) -> None:
        """Write the files; raises OSError."""
        if self._model is not None:
            np.save(folder / EXAMPLE, self._example)
            np.save(folder / EXPECTED, self._expected)
            _save_model(self._model, folder / MODEL)
        write_manifest(folder, self._source.geometry, self._source.scaling)


def _save_model(model: ov.Model, path: Path) -> None:
    """Save a model in full precision; raises OSError."""
    try:
        ov.save_model(model, path, compress_to_fp16=False)
        ov.Core().read_model(path)
    except RuntimeError as exc:  # of a full disk it says no more than "iostream error"
        raise OSError(f"{path} could not be written; is there room on the disk?") from exc


def convert_network(source: EngineInput, network: Network) -> ov.Model:
    """Convert a network in fp32; raises ConversionError."""
    example = make_example(source, 2)
    subject = f"the model of {source.checkpoint.folder} cannot be converted"
    with (
        translate_loader_errors(subject, _FIX_CONVERT, ConversionError),
        silence(),
        warnings.catch_warnings(),
    ):
        warnings.simplefilter("ignore")  # that shapes become constants: they are constant here
        shape = [-1, *example.shape[1:]]
        return ov.convert_model(network, example_input=example, input=[shape])


def write_quantized(source: EngineInput, images: list[Pixels], path: Path) -> None:
    """Quantize a checkpoint to int8 on calibration images, with a progress bar, and write it."""
    import nncf  # noqa: PLC0415 - serving never needs it

    model = convert_network(source, load_network(source, "fp32", _CPU))
    dataset = nncf.Dataset(images, lambda pixels: pixels[np.newaxis])
    subject = f"the model of {source.checkpoint.folder} cannot be quantized"
    with translate_loader_errors(subject, _FIX_WRITE):
        quantized = nncf.quantize(
            model,
            dataset,
            model_type=nncf.ModelType.TRANSFORMER,
            preset=nncf.QuantizationPreset.MIXED,
            subset_size=len(images),
        )
        quantized.set_rt_info(json.dumps(source.checkpoint.labels), ["vitrine", "labels"])
        ov.save_model(quantized, path, compress_to_fp16=False)
