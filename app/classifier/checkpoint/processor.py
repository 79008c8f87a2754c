"""A transformers image processor, split into geometry for the ingress and scaling for the engine.

A processor that `app.backend.Geometry` cannot express becomes the geometry's fallback, and leaves
nothing to scale.
"""

from pathlib import Path

import numpy as np
from PIL import Image
from transformers import AutoImageProcessor
from transformers.image_processing_backends import PilBackend
from transformers.image_processing_utils import BaseImageProcessor
from transformers.models.convnext.image_processing_pil_convnext import ConvNextImageProcessorPil

from app.backend import Geometry
from app.classifier.checkpoint.loader_errors import translate_loader_errors
from app.classifier.checkpoint.scaling import Scaling
from app.errors import CheckpointError

WARP_EDGE = 384
"""ConvNeXt: from this edge on the image is warped to a square instead of cropped."""

_FIX = "Fix preprocessor_config.json, or point VITRINE_PROCESSOR at another folder or Hub id."


def load_processor(folder: Path) -> tuple[Geometry, Scaling]:
    """Load the processor of `folder` and split it.

    Raises:
        CheckpointError: it cannot be read, or its pixels are not RGB of one fixed size.
    """
    with translate_loader_errors(f"the image processor of {folder} cannot be used", _FIX):
        processor = AutoImageProcessor.from_pretrained(
            folder, backend="pil", local_files_only=True, trust_remote_code=False
        )
        size = _measure_size(processor, folder)
    geometry = _read_geometry(processor, size)
    if geometry is None:
        fallback = Geometry(size, None, 0, crop=False, fallback=processor.to_json_string())
        return fallback, Scaling(None, None, None)
    return geometry, _read_scaling(processor)


def _read_geometry(processor: BaseImageProcessor, size: tuple[int, int]) -> Geometry | None:
    """Read the geometry; None if it cannot be expressed."""
    if not _is_plain(processor):
        return None
    if isinstance(processor, ConvNextImageProcessorPil):
        return _read_convnext(processor, size)
    crop = bool(processor.do_center_crop)
    resize: tuple[int, int] | int | None = None
    if processor.do_resize:
        wanted = processor.size
        if wanted.longest_edge or wanted.max_height or wanted.max_width:
            return None
        resize = wanted.shortest_edge or (wanted.height, wanted.width)
    return Geometry(size, resize, int(processor.resample), crop=crop)


def _read_convnext(processor: ConvNextImageProcessorPil, size: tuple[int, int]) -> Geometry | None:
    """Read ConvNeXt's own resize: by `crop_pct` below WARP_EDGE, a square from there on."""
    if not processor.do_resize or processor.do_center_crop:
        return None
    edge, resample = processor.size.shortest_edge, int(processor.resample)
    if edge >= WARP_EDGE:
        return Geometry(size, (edge, edge), resample, crop=False)
    return Geometry(size, int(edge / processor.crop_pct), resample, crop=True)


def _read_scaling(processor: BaseImageProcessor) -> Scaling:
    """Read the arithmetic."""
    return Scaling(
        factor=float(processor.rescale_factor) if processor.do_rescale else None,
        mean=_spread(processor.image_mean) if processor.do_normalize else None,
        std=_spread(processor.image_std) if processor.do_normalize else None,
    )


def _spread(values: float | list[float]) -> tuple[float, ...]:
    """Repeat one value for each channel."""
    return (float(values),) * 3 if isinstance(values, int | float) else tuple(map(float, values))


_STEPS = ("process_image", "resize", "center_crop", "rescale", "normalize", "_preprocess")


def _is_plain(processor: BaseImageProcessor) -> bool:
    """Tell whether every step is the standard one or ConvNeXt's."""
    if not isinstance(processor, PilBackend) or processor.do_pad:
        return False
    standard: tuple[type, ...] = (PilBackend, ConvNextImageProcessorPil)
    cls = type(processor)
    known = all(
        any(getattr(cls, step, None) is getattr(base, step) for base in standard) for step in _STEPS
    )
    return known and cls.preprocess is PilBackend.preprocess


def _measure_size(processor: BaseImageProcessor, folder: Path) -> tuple[int, int]:
    """Measure the `(height, width)` of the pixels; refuse a size that depends on the image."""
    images = [Image.new("RGB", size) for size in ((640, 480), (300, 500))]
    shapes = {
        np.shape(processor(images=image, return_tensors="np")["pixel_values"]) for image in images
    }
    match shapes.pop(), len(shapes):
        case (1, 3, int(height), int(width)), 0:
            return height, width
    message = (
        f"{folder}: its image processor ({type(processor).__name__}) does not give RGB pixels of "
        "one fixed size. Set do_center_crop, or a height and width, in preprocessor_config.json."
    )
    raise CheckpointError(message)
