"""JPEGs like those that cameras and phones send, made from the photographs in two wheels.

scikit-image and scikit-learn ship photographs; seeded crops, flips and scales of them, with a
sensor's noise, are saved at several sizes, qualities and subsamplings. Knows no model.
"""

import io
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import skimage
import sklearn.datasets
from PIL import Image

_SKIMAGE = (
    "astronaut.png brick.png camera.png chelsea.png coffee.png coins.png grass.png gravel.png "
    "hubble_deep_field.jpg ihc.png motorcycle_left.png motorcycle_right.png retina.jpg rocket.jpg"
)
_SKLEARN = "china.jpg flower.jpg"
SOURCES = (
    *(Path(skimage.data_dir) / name for name in _SKIMAGE.split()),
    *(Path(sklearn.datasets.__file__).parent / "images" / name for name in _SKLEARN.split()),
)
SIZES = ((640, 480), (1280, 960), (2048, 1536), (2592, 1944), (4000, 3000))
SHARES = (0.1, 0.1, 0.15, 0.45, 0.2)
QUALITIES = (75, 85, 90, 95)
SUBSAMPLINGS = ("4:4:4", "4:2:2", "4:2:0")
NOISE = 6  # grey levels, either way
ORIENTATION = 0x0112


@dataclass(frozen=True)
class Photograph:
    """One JPEG, its longest edge, and the index in SOURCES of what it shows."""

    data: bytes
    edge: int
    source: int


@cache
def read_source(index: int) -> Image.Image:
    """Return one of the shipped photographs, grey or RGB."""
    image = Image.open(SOURCES[index])
    return image if image.mode == "L" else image.convert("RGB")


def scale_source(index: int, size: tuple[int, int], generator: np.random.Generator) -> Image.Image:
    """Return a crop at random scaled to the size; large ones are smooth."""
    image = read_source(index)
    scale = min(image.width / size[0], image.height / size[1]) * generator.uniform(0.5, 1)
    width, height = scale * size[0], scale * size[1]
    left = generator.uniform(0, image.width - width)
    top = generator.uniform(0, image.height - height)
    return image.resize(size, Image.Resampling.LANCZOS, (left, top, left + width, top + height))


def mirror_source(index: int, size: tuple[int, int], generator: np.random.Generator) -> Image.Image:
    """Return a crop at random at its own scale, mirrored on where it ends; all sizes are sharp."""
    pixels = np.asarray(read_source(index))
    missing = [max(0, size[1] - pixels.shape[0]), max(0, size[0] - pixels.shape[1])]
    pixels = np.pad(pixels, [(0, edge) for edge in (*missing, 0)][: pixels.ndim], "symmetric")
    top = generator.integers(0, pixels.shape[0] - size[1], endpoint=True)
    left = generator.integers(0, pixels.shape[1] - size[0], endpoint=True)
    return Image.fromarray(pixels[top : top + size[1], left : left + size[0]])


def add_noise(image: Image.Image, generator: np.random.Generator) -> Image.Image:
    """Return the image with a sensor's noise, half of the time flipped."""
    pixels = np.asarray(image)[:, :: int(generator.choice((1, -1)))].astype(np.int16)
    pixels += generator.integers(-NOISE, NOISE, pixels.shape, np.int16, endpoint=True)
    return Image.fromarray(pixels.clip(0, 255).astype(np.uint8))


def draw_size(generator: np.random.Generator) -> tuple[int, int]:
    """Return one of SIZES less some pixels, so that odd edges come too; one in three stands."""
    width, height = SIZES[generator.choice(len(SIZES), p=SHARES)] - generator.integers(0, 9, 2)
    return (int(height), int(width)) if generator.choice(3) == 0 else (int(width), int(height))


def encode_photograph(image: Image.Image, generator: np.random.Generator) -> bytes:
    """Return a JPEG of some quality and subsampling, some progressive, some turned by EXIF."""
    buffer, exif = io.BytesIO(), Image.Exif()
    exif[ORIENTATION] = int(generator.choice((1, 1, 1, 3, 6, 8)))
    image.save(
        buffer,
        "JPEG",
        quality=int(generator.choice(QUALITIES)),
        subsampling=str(generator.choice(SUBSAMPLINGS)),
        progressive=bool(generator.choice(5) == 0),
        exif=exif,
    )
    return buffer.getvalue()


def make_photographs(count: int, seed: int) -> Iterator[Photograph]:
    """Yield the photographs, the same for the same seed."""
    generator = np.random.default_rng(seed)
    for number in range(count):
        source, size = number % len(SOURCES), draw_size(generator)
        make = (scale_source, mirror_source)[generator.choice(2)]
        image = add_noise(make(source, size, generator), generator)
        yield Photograph(encode_photograph(image, generator), max(size), source)
