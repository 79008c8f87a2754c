"""The images of the benchmark and the multipart body that carries each.

The PNG is a bundled sample; the JPEGs are drawn from a fixed seed and have a photograph's details.
"""

from dataclasses import dataclass
from functools import cache

import numpy as np
from PIL import Image, ImageFilter

from app.client.request import make_form
from tests.support.samples import save
from tests.support.service import SAMPLES

SIZES = {"jpeg": (640, 480), "12mp": (4000, 3000)}
IMAGES = ("png", *SIZES)
SEED = 7
QUALITY = 90
BLOBS = ((40, 60.0), (10, 25.0), (1, 3.0))  # radius in pixels, spread in grey levels
BOUNDARY = "vitrine-bench"
FORM = f"multipart/form-data; boundary={BOUNDARY}"


@dataclass(frozen=True)
class Picture:
    """One encoded image: a name for the table, its bytes and its media type."""

    name: str
    content: bytes
    media_type: str

    def body(self) -> bytes:
        """Return the multipart body with the image as the part named file."""
        return make_form(self.content, self.media_type, BOUNDARY)


@cache
def make_picture(name: str) -> Picture:
    """Return one of IMAGES, drawn once."""
    if name == "png":
        return Picture("64x64 PNG", min(SAMPLES.glob("*.png")).read_bytes(), "image/png")
    return draw_photograph(*SIZES[name])


def draw_photograph(width: int, height: int) -> Picture:
    """Return a JPEG: a gradient under noise, blurred to blobs of three sizes."""
    generator = np.random.default_rng(SEED)
    down = np.linspace(0, 1, height, dtype=np.float32).reshape(-1, 1).repeat(width, axis=1)
    right = np.linspace(0, 1, width, dtype=np.float32).reshape(1, -1).repeat(height, axis=0)
    pixels = 255 * np.stack([down, right, 1 - down], axis=-1) * 0.6 + 50
    for radius, spread in BLOBS:
        noise = Image.fromarray(generator.integers(0, 256, (height, width, 3), dtype=np.uint8))
        values = np.asarray(noise.filter(ImageFilter.GaussianBlur(radius)), np.float32)
        pixels += spread * (values - values.mean()) / values.std()
    image = Image.fromarray(pixels.clip(0, 255).astype(np.uint8))
    return Picture(f"{width}x{height} JPEG", save(image, "JPEG", quality=QUALITY), "image/jpeg")
