"""Quantization: make an int8 checkpoint from one in fp32, and compare the two.

Three quarters of the images calibrate the quantization; the rest are compared. VITRINE_MODEL
accepts the result as any other checkpoint.
"""

import logging
import shlex
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import numpy as np

from app.backend import Logits, Pixels
from app.classifier.checkpoint.calibration import CALIBRATION
from app.classifier.checkpoint.files import (
    CONFIG,
    PROCESSOR_CONFIG,
    QUANTIZED,
    Checkpoint,
    open_checkpoint,
)
from app.classifier.checkpoint.processor import load_processor
from app.classifier.engines.engine import EngineInput
from app.classifier.engines.selection import EngineOptions, check_installed
from app.classifier.model import Model
from app.classifier.opening import open_configured
from app.errors import ProblemError, SettingsError, StartupError
from app.images.decoder import ImageDecoder
from app.images.geometry import build_processor
from app.limits import derive_limits
from app.machine import count_cores
from app.prediction.scores import compute_scores
from app.settings import Settings

HOLD_OUT_STEP = 4
"""Every fourth image is held out from calibration."""

COMPARE_BATCH = 32

MIN_COMPARED = 100
"""With fewer compared images, a warning says that the agreement is not reliable."""

_logger = logging.getLogger("vitrine.quantize")


@dataclass(frozen=True, slots=True)
class Comparison:
    """int8 beside fp32, on images that were not used for calibration.

    Attributes:
        calibrated: number of images that the calibration used.
        compared: number of images that both were compared on.
        agreement: share of compared images with the same best label, 0 to 1.
        max_difference: of one label's score.
    """

    calibrated: int
    compared: int
    agreement: float
    max_difference: float


def quantize_checkpoint(
    settings: Settings, images: Path, out: Path, min_agreement: float
) -> Comparison:
    """Quantize the checkpoint of the settings and write it to `out`, a new folder.

    Raises:
        StartupError: a folder or the checkpoint is wrong, or int8 agrees with fp32 on a smaller
            share of images than `min_agreement`; nothing was written.
    """
    check_installed("nncf", "Run `pip install 'vitrine[quantize]'`.")
    checkpoint = open_configured(settings)
    _check_folders(checkpoint, out)
    engine_input = EngineInput(checkpoint, *load_processor(checkpoint.processor_folder))
    pixels = _read_pixels(settings, engine_input, images)
    held_out = pixels[HOLD_OUT_STEP - 1 :: HOLD_OUT_STEP]
    seen = [one for index, one in enumerate(pixels) if index % HOLD_OUT_STEP != HOLD_OUT_STEP - 1]
    with _make_folder(out) as folder:
        made = Path(folder) / out.name
        _write_checkpoint(engine_input, seen, made)
        comparison = _compare(checkpoint, made, len(seen), cast("Pixels", np.stack(held_out)))
        if comparison.agreement < min_agreement:
            message = (
                f"int8 names the same label as fp32 for {comparison.agreement:.2%} of "
                f"{comparison.compared} images, wanted are {min_agreement:.2%}; nothing was "
                "written. Give more and more typical images, or lower --min-agreement."
            )
            raise StartupError(message)
        made.rename(out)
    if comparison.compared < MIN_COMPARED:
        _logger.warning("the agreement on so few images is not reliable; give some hundred")
    return comparison


def list_results(found: Comparison, out: Path) -> list[str]:
    """List what came of a quantization, and what to do with it, as lines for a terminal."""
    folder = shlex.quote(str(out))
    return [
        f"calibrated on  {found.calibrated} images",
        f"compared on    {found.compared} others",
        f"same label     {found.agreement:.2%}",
        f"probabilities  differ by at most {found.max_difference:.4f}",
        f"judge it with  vitrine evaluate DATASET --model {folder}",
        f"serve it with  VITRINE_MODEL={folder}",
    ]


def _check_folders(checkpoint: Checkpoint, out: Path) -> None:
    """Refuse a checkpoint that is quantized, and an output folder that exists."""
    if checkpoint.quantized is not None:
        message = f"{checkpoint.folder} is quantized already. Give the checkpoint it was made from."
        raise SettingsError(message)
    if out.exists():
        raise SettingsError(f"{out} exists already. Give --out a folder that does not exist yet.")


def _make_folder(out: Path) -> "tempfile.TemporaryDirectory[str]":
    """Make a temporary folder beside `out`; what it holds is moved there after success."""
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        return tempfile.TemporaryDirectory(dir=out.parent, prefix=".quantize-")
    except OSError as exc:
        message = f"Nothing can be written in {out.parent}: {exc.strerror}. Give another --out."
        raise SettingsError(message) from exc


def _read_pixels(settings: Settings, engine_input: EngineInput, folder: Path) -> list[Pixels]:
    """Read the images of a folder as the service would; other files are left out, with a log."""
    limits = derive_limits(settings)
    decoder = ImageDecoder(limits.max_bytes, limits.max_pixels, limits.gap)
    process = build_processor(engine_input.geometry, settings.max_pixels)
    pixels, left_out = [], 0
    for path in sorted(folder.rglob("*")):
        if not path.is_file():
            continue
        try:
            pixels.append(process(decoder.decode(path.read_bytes(), process.find_target)))
        except (ProblemError, OSError) as exc:
            left_out += 1
            _logger.debug("%s is left out: %s", path, exc)
    if len(pixels) < HOLD_OUT_STEP:
        message = (
            f"--images {folder} holds {len(pixels)} readable images ({left_out} files are not); "
            f"at least {HOLD_OUT_STEP} are needed, and some hundred typical ones are good."
        )
        raise SettingsError(message)
    if left_out:
        _logger.warning("%d files of %s are no readable images and were left out", left_out, folder)
    return pixels


def _write_checkpoint(engine_input: EngineInput, pixels: list[Pixels], folder: Path) -> None:
    """Quantize and write a checkpoint."""
    from app.classifier.engines.conversion import write_quantized  # noqa: PLC0415 - heavy

    folder.mkdir()
    write_quantized(engine_input, pixels, folder / QUANTIZED)
    shutil.copyfile(engine_input.checkpoint.folder / CONFIG, folder / CONFIG)
    processor = engine_input.checkpoint.processor_folder / PROCESSOR_CONFIG
    shutil.copyfile(processor, folder / PROCESSOR_CONFIG)
    calibration = engine_input.checkpoint.folder / CALIBRATION
    if calibration.is_file():
        shutil.copyfile(calibration, folder / CALIBRATION)
        _logger.info("%s is that of fp32: `vitrine evaluate` tells whether it fits", CALIBRATION)


def _compare(checkpoint: Checkpoint, folder: Path, calibrated: int, pixels: Pixels) -> Comparison:
    """Score the same pixels with both checkpoints, each as it would be served."""
    exact = Model(checkpoint, EngineOptions("cpu", "openvino", "fp32"))
    small = Model(open_checkpoint(str(folder)), EngineOptions("cpu"))
    for model in (exact, small):
        model.engine.set_threads(count_cores())
    one, other = (_run(model, pixels) for model in (exact, small))
    scores = [
        np.stack([compute_scores(row, checkpoint.activation) for row in logits])
        for logits in (one, other)
    ]
    return Comparison(
        calibrated=calibrated,
        compared=len(pixels),
        agreement=float((one.argmax(-1) == other.argmax(-1)).mean()),
        max_difference=float(np.abs(scores[0] - scores[1]).max()),
    )


def _run(model: Model, pixels: Pixels) -> Logits:
    """Run any number of images, a batch at a time."""
    ends = range(COMPARE_BATCH, len(pixels), COMPARE_BATCH)
    parts = cast("list[Pixels]", np.split(pixels, ends))
    return np.concatenate([model.forward(part) for part in parts])
