"""Conversion of a checkpoint by torch: to OpenVINO's files, or to int8.

Serving imports it only where there is something to convert, and then in a process of its own.
"""

import json
import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import openvino as ov
import torch

from app.backend import Pixels
from app.classifier.cache.converted_model import EXAMPLE, EXPECTED, MODEL, write_manifest
from app.classifier.checkpoint.files import Checkpoint, is_unchanged
from app.classifier.checkpoint.loader_errors import silence, translate_loader_errors
from app.classifier.checkpoint.processor import load_processor
from app.classifier.engines.engine import EngineInput, Precision
from app.classifier.engines.network import Network, load_network, make_example
from app.classifier.engines.openvino import OpenvinoEngine, check_logits
from app.errors import CheckpointError, ConversionError

_FIX_CONVERT = "Set VITRINE_ENGINE=torch; OpenVINO does not know this architecture."
_FIX_WRITE = "Look at the reason; is there room on the disk? Else serve it in fp32."

CHECK_BATCH = 5
"""Images that a conversion is checked on; it was traced on two."""

_CPU = torch.device("cpu")


def convert(checkpoint: Checkpoint, precision: Precision, folder: Path) -> None:
    """Convert a checkpoint into the files of a folder.

    Raises:
        OSError: they cannot be written.
        ConversionError: OpenVINO cannot run it.
        CheckpointError: it cannot be loaded, or was replaced meanwhile.
        SettingsError: the CPU lacks the precision.
    """
    source = EngineInput(checkpoint, *load_processor(checkpoint.processor_folder))
    if checkpoint.quantized is None:
        _write_network(source, precision, folder)
    if not is_unchanged(checkpoint):
        message = f"The files of {checkpoint.folder} were replaced while they were read."
        raise CheckpointError(f"{message} Start again.")
    write_manifest(folder, source.geometry, source.scaling)


def _write_network(source: EngineInput, precision: Precision, folder: Path) -> None:
    """Convert the network, check it on a batch of another size, and write it."""
    network = load_network(source, "fp32", _CPU)
    example = make_example(source, CHECK_BATCH)
    model = convert_network(source, network)
    subject = f"the model of {source.checkpoint.folder} fails"
    with translate_loader_errors(subject, _FIX_CONVERT, ConversionError):
        engine = OpenvinoEngine(model, precision)
        with torch.inference_mode():
            expected = network(example).numpy()
        check_logits(engine.run(example.numpy()), expected, precision)
    np.save(folder / EXAMPLE, example.numpy())
    np.save(folder / EXPECTED, expected)
    _save_model(model, folder / MODEL)


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
        _keep_root_logger(),
        warnings.catch_warnings(),
    ):
        warnings.simplefilter("ignore")  # that shapes become constants: they are constant here
        shape = [-1, *example.shape[1:]]
        return ov.convert_model(network, example_input=example, input=[shape])


@contextmanager
def _keep_root_logger() -> Iterator[None]:
    """Put back what OpenVINO changes in the root logger; it leaves it changed where it fails."""
    root = logging.getLogger()
    level, filters, handlers = root.level, list(root.filters), list(root.handlers)
    try:
        yield
    finally:
        root.setLevel(level)
        root.filters, root.handlers = filters, handlers


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
