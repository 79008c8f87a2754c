"""Picture geometry: an RGB image becomes pixels of the model's size.

Bit-equal to what transformers' own PIL processors do before they scale and normalise, which is
left to the device (`app.classifier.model`). It does not know which model the pixels are for.
"""

import tempfile
from pathlib import Path
from typing import Protocol

import numpy as np
from PIL import Image

from app.backend import Geometry, Pixels
from app.errors import ImageTooLargeError


class Processor(Protocol):
    """Turns an RGB image into the pixels `[height, width, 3]` of one image."""

    def __call__(self, image: Image.Image) -> Pixels:
        """Apply the geometry; raises ImageTooLargeError."""
        ...


def build_processor(geometry: Geometry, max_pixels: int) -> Processor:
    """Build what applies `geometry`; no intermediate image gets more than `max_pixels`."""
    if geometry.fallback is not None:
        return FallbackProcessor(geometry.fallback)
    return GeometryProcessor(geometry, max_pixels)


class GeometryProcessor:
    """Resize and centre crop with Pillow, to uint8 `[height, width, 3]`."""

    def __init__(self, geometry: Geometry, max_pixels: int) -> None:
        self._geometry = geometry
        self._max_pixels = max_pixels

    def __call__(self, image: Image.Image) -> Pixels:
        """Apply the geometry to an RGB image."""
        if self._geometry.resize is not None:
            height, width = self._find_size(image.height, image.width)
            resample = Image.Resampling(self._geometry.resample)
            image = image.resize((width, height), resample)
        if self._geometry.crop:
            image = _crop_center(image, *self._geometry.size)
        return np.asarray(image)

    def _find_size(self, height: int, width: int) -> tuple[int, int]:
        """Find the `(height, width)` to resize to."""
        resize = self._geometry.resize
        if isinstance(resize, tuple):
            return resize
        edge = resize or 0
        short, long = sorted((height, width))
        long_edge = int(edge * long / short)  # truncated: what transformers does
        if edge * long_edge > self._max_pixels:
            message = (
                f"The image is {width} x {height}: with its short edge at {edge} pixels it would "
                f"have more than {self._max_pixels}. Send a less elongated image."
            )
            raise ImageTooLargeError(message)
        return (long_edge, edge) if width <= height else (edge, long_edge)


class FallbackProcessor:
    """A transformers image processor run as it is, to float32 `[height, width, 3]`."""

    def __init__(self, config: str) -> None:
        from transformers import AutoImageProcessor  # noqa: PLC0415 - heavy, and seldom met

        with tempfile.TemporaryDirectory() as folder:
            (Path(folder) / "preprocessor_config.json").write_text(config)
            self._processor = AutoImageProcessor.from_pretrained(folder, backend="pil")

    def __call__(self, image: Image.Image) -> Pixels:
        """Run the processor on an RGB image."""
        pixels = self._processor(images=image, return_tensors="np")["pixel_values"][0]
        return np.ascontiguousarray(pixels.transpose(1, 2, 0), dtype=np.float32)


def _crop_center(image: Image.Image, height: int, width: int) -> Image.Image:
    """Cut out the centre; where the image is smaller, what lies outside is black."""
    left = (image.width - width) // 2
    top = (image.height - height) // 2
    return image.crop((left, top, left + width, top + height))
