"""Picture geometry: an RGB image becomes pixels of the model's size.

The pixels are bit-equal to those that transformers' PIL processors scale and normalise; here the
engine does that (`app.classifier.engines.network`).
"""

import tempfile
from pathlib import Path
from typing import Protocol

import numpy as np
from PIL import Image

from app.backend import Geometry, Pixels
from app.errors import ImageTooLargeError
from app.images.decoder import DecodedImage
from app.images.scaled_decoding import Size

Box = tuple[float, float, float, float]
"""Left, top, width and height, in pixels of the upright image."""


class Processor(Protocol):
    """Turns a decoded image into pixels `[height, width, 3]`."""

    def __call__(self, image: DecodedImage) -> Pixels:
        """Apply the geometry; raises ImageTooLargeError."""
        ...

    def find_target(self, size: Size) -> Size | None:
        """Find the size to resize to; None if the image must be decoded exactly.

        Raises:
            ImageTooLargeError: the resized image would have too many pixels.
        """
        ...


def build_processor(geometry: Geometry, max_pixels: int) -> Processor:
    """Build the processor of `geometry`; no intermediate image exceeds `max_pixels`."""
    if geometry.fallback is not None:
        return FallbackProcessor(geometry.fallback)
    return GeometryProcessor(geometry, max_pixels)


class GeometryProcessor:
    """Resize and centre crop with Pillow, to uint8 `[height, width, 3]`."""

    def __init__(self, geometry: Geometry, max_pixels: int) -> None:
        self._geometry = geometry
        self._max_pixels = max_pixels
        self._resample = Image.Resampling(geometry.resample)

    def __call__(self, image: DecodedImage) -> Pixels:
        """Apply the geometry."""
        rgb = image.rgb
        if self._geometry.resize is not None:
            rgb = rgb.resize(self._find_size(image.size), self._resample, image.box)
        if self._geometry.crop:
            rgb = _crop_center(rgb, *self._geometry.size)
        return np.asarray(rgb)

    def find_target(self, size: Size) -> Size | None:
        """Find the size to resize to; None for NEAREST, which picks single pixels."""
        if self._geometry.resize is None or self._resample is Image.Resampling.NEAREST:
            return None
        return self._find_size(size)

    def _find_size(self, size: Size) -> Size:
        """Find the width and height to resize to."""
        width, height = resized = find_resized(self._geometry, size)
        if isinstance(self._geometry.resize, int) and width * height > self._max_pixels:
            message = (
                f"The image is {size[0]} x {size[1]}: with its short edge at {min(resized)} pixels "
                f"it would have more than {self._max_pixels}. Send a less elongated image."
            )
            raise ImageTooLargeError(message)
        return resized


class FallbackProcessor:
    """A transformers image processor, unchanged, to float32 `[height, width, 3]`."""

    def __init__(self, config: str) -> None:
        from transformers import AutoImageProcessor  # noqa: PLC0415 - heavy, and rarely needed

        with tempfile.TemporaryDirectory() as folder:
            (Path(folder) / "preprocessor_config.json").write_text(config)
            self._processor = AutoImageProcessor.from_pretrained(folder, backend="pil")

    def __call__(self, image: DecodedImage) -> Pixels:
        """Run the processor."""
        pixels = self._processor(images=image.rgb, return_tensors="np")["pixel_values"][0]
        return np.ascontiguousarray(pixels.transpose(1, 2, 0), dtype=np.float32)

    def find_target(self, size: Size) -> None:
        """Require an exact image: the processor's size is not known."""


def find_resized(geometry: Geometry, size: Size) -> Size:
    """Find the width and height that an image is resized to; its own if it is not."""
    if geometry.resize is None:
        return size
    if isinstance(geometry.resize, tuple):
        return geometry.resize[1], geometry.resize[0]
    edge, (short, long) = geometry.resize, sorted(size)
    long_edge = int(edge * long / short)  # truncated, as transformers does
    return (edge, long_edge) if size[0] <= size[1] else (long_edge, edge)


def find_crop(geometry: Geometry, size: Size) -> Box | None:
    """Find which part of an upright image the model sees.

    Args:
        geometry: of the model's pixels.
        size: width and height of the image.

    Returns:
        The part, which reaches beyond the image where the crop pads; None for a fallback, whose
        steps are not known.
    """
    if geometry.fallback is not None:
        return None
    if not geometry.crop:
        return 0.0, 0.0, float(size[0]), float(size[1])
    resized = find_resized(geometry, size)
    height, width = geometry.size
    across, down = size[0] / resized[0], size[1] / resized[1]
    left, top = _find_corner(resized, height, width)
    return left * across, top * down, width * across, height * down


def _find_corner(size: Size, height: int, width: int) -> tuple[int, int]:
    """Find the left and top of a centre crop, as transformers rounds them."""
    return (size[0] - width) // 2, (size[1] - height) // 2


def _crop_center(image: Image.Image, height: int, width: int) -> Image.Image:
    """Crop the centre; a smaller image is padded with black."""
    left, top = _find_corner(image.size, height, width)
    return image.crop((left, top, left + width, top + height))
