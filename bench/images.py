"""The two images of the benchmark and the multipart body that carries each.

Knows no server. The PNG is a bundled sample; the JPEG is drawn here from a fixed seed, smooth
where a photograph is smooth and noisy where it is noisy, so that decoding costs what it costs.
"""

import io
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

SEED = 7
WIDTH, HEIGHT = 640, 480
QUALITY = 90
BLOBS = ((40, 60.0), (10, 25.0), (1, 3.0))  # radius in pixels, spread in grey levels
BOUNDARY = "vitrine-bench"


@dataclass(frozen=True)
class Picture:
    """One encoded image: a name for the table, its bytes and its media type."""

    name: str
    content: bytes
    media_type: str

    def body(self) -> bytes:
        """Return the multipart body with the image as the part named file."""
        head = (
            f"--{BOUNDARY}\r\n"
            f'Content-Disposition: form-data; name="file"; filename="image"\r\n'
            f"Content-Type: {self.media_type}\r\n\r\n"
        )
        return head.encode() + self.content + f"\r\n--{BOUNDARY}--\r\n".encode()


def read_sample(folder: Path) -> Picture:
    """Return the first bundled sample, a 64x64 PNG."""
    return Picture("64x64 PNG", min(folder.glob("*.png")).read_bytes(), "image/png")


def draw_noise(generator: np.random.Generator, radius: int, spread: float) -> NDArray[np.float64]:
    """Return ``[height, width, 3]`` noise blurred to blobs of the radius, in grey levels."""
    noise = generator.integers(0, 256, (HEIGHT, WIDTH, 3), dtype=np.uint8)
    blurred = np.asarray(Image.fromarray(noise).filter(ImageFilter.GaussianBlur(radius)), float)
    return np.asarray(spread * (blurred - blurred.mean()) / blurred.std())


def draw_photograph() -> Picture:
    """Return a 640x480 JPEG: a gradient under noise at three scales."""
    generator = np.random.default_rng(SEED)
    down, right = np.mgrid[0:HEIGHT, 0:WIDTH] / np.array([HEIGHT, WIDTH]).reshape(2, 1, 1)
    pixels = 255 * np.stack([down, right, 1 - down], axis=-1) * 0.6 + 50
    for radius, spread in BLOBS:
        pixels = pixels + draw_noise(generator, radius, spread)
    buffer = io.BytesIO()
    Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(buffer, "JPEG", quality=QUALITY)
    return Picture("640x480 JPEG", buffer.getvalue(), "image/jpeg")
