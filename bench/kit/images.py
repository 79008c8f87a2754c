"""The images of the benchmark and the multipart body that carries each.

Knows no server. The PNG is a bundled sample; the JPEGs are drawn here from a fixed seed, smooth
where a photograph is smooth and noisy where it is noisy, so that decoding costs what it costs.
"""

import io
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

SAMPLES = Path(__file__).resolve().parents[2] / "app" / "demo" / "samples"
SIZES = {"jpeg": (640, 480), "12mp": (4000, 3000)}
IMAGES = ("png", *SIZES)
SEED = 7
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


def make_picture(name: str) -> Picture:
    """Return one of IMAGES."""
    return read_sample(SAMPLES) if name == "png" else draw_photograph(*SIZES[name])


def read_sample(folder: Path) -> Picture:
    """Return the first bundled sample, a 64x64 PNG."""
    return Picture("64x64 PNG", min(folder.glob("*.png")).read_bytes(), "image/png")


def draw_noise(
    generator: np.random.Generator, size: tuple[int, int], radius: int, spread: float
) -> NDArray[np.float32]:
    """Return ``[height, width, 3]`` noise blurred to blobs of the radius, in grey levels."""
    noise = generator.integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    blurred = Image.fromarray(noise).filter(ImageFilter.GaussianBlur(radius))
    values = np.asarray(blurred, np.float32)
    return np.asarray(spread * (values - values.mean()) / values.std())


def draw_photograph(width: int, height: int) -> Picture:
    """Return a JPEG: a gradient under noise at three scales."""
    generator = np.random.default_rng(SEED)
    down = np.linspace(0, 1, height, dtype=np.float32).reshape(-1, 1).repeat(width, axis=1)
    right = np.linspace(0, 1, width, dtype=np.float32).reshape(1, -1).repeat(height, axis=0)
    pixels = 255 * np.stack([down, right, 1 - down], axis=-1) * 0.6 + 50
    for radius, spread in BLOBS:
        pixels += draw_noise(generator, (width, height), radius, spread)
    buffer = io.BytesIO()
    Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(buffer, "JPEG", quality=QUALITY)
    return Picture(f"{width}x{height} JPEG", buffer.getvalue(), "image/jpeg")
