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
        resize = self._geometry.resize
        if isinstance(resize, tuple):
            return resize[1], resize[0]
        edge, (width, height) = resize or 0, size
        short, long = sorted(size)
        long_edge = int(edge * long / short)  # truncated, as transformers does
        if edge * long_edge > self._max_pixels:
            message = (
                f"The image is {width} x {height}: with its short edge at {edge} pixels it would "
                f"have more than {self._max_pixels}. Send a less elongated image."
            )
            raise ImageTooLargeError(message)
        return (edge, long_edge) if width <= height else (long_edge, edge)


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


def _crop_center(image: Image.Image, height: int, width: int) -> Image.Image:
    """Crop the centre; a smaller image is padded with black."""
    left = (image.width - width) // 2
    top = (image.height - height) // 2
    return image.crop((left, top, left + width, top + height))
