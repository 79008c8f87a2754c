"""HEIC and HEIF, what iPhones send: with pillow-heif beside the service, and without."""

import asyncio
import io
import struct
import subprocess
import sys
from collections.abc import Callable, Iterator

import numpy as np
import psutil
import pytest
from PIL import Image
from transformers.image_utils import load_image

from app.backend import Geometry
from app.errors import ImageTooLargeError, ProblemError, UndecodableImageError
from app.images.decoder import DecodedImage, ImageDecoder
from app.images.formats import HEIF, load_heif
from app.images.reader import Reading
from app.images.signatures import name_media_type
from app.images.workers.pool import ProcessReader
from app.limits import Limits
from tests.support import samples
from tests.support.processes import read_peak
from tests.support.service import ROOT

_LIMITS = Limits(
    max_bytes=20_000_000,
    max_pixels=50_000_000,
    max_queue=8,
    timeout_s=20,
    batch_size=4,
    readers=1,
)
WORKER = "app.images.workers.worker"
_GEOMETRY = Geometry((32, 32), (32, 32), 2, crop=False)
_ABSENT = """
import sys
sys.modules["pillow_heif"] = None  # as where it is not installed: the import fails
from app.errors import UnsupportedMediaTypeError
from app.images.formats import load_plugins
from app.images.decoder import ImageDecoder

load_plugins()
for data in (b"\\0\\0\\0\\x18ftypheic\\0\\0\\0\\0mif1heic", b"%PDF-1.7"):
    try:
        ImageDecoder(max_bytes=1000, max_pixels=1000).decode(data)
    except UnsupportedMediaTypeError as error:
        print(error)
"""


@pytest.fixture(autouse=True)
def _load() -> None:
    """Read HEIF in this process."""
    load_heif()


Read = Callable[[bytes], Reading]


@pytest.fixture(scope="module")
def read() -> Iterator[Read]:
    """Have a process read an image; one process for all."""
    reader = ProcessReader(_LIMITS)

    async def read_one(data: bytes) -> Reading:
        await reader.warm_up(_GEOMETRY)
        return await reader.read(data, _GEOMETRY)

    with asyncio.Runner() as runner:
        yield lambda data: runner.run(read_one(data))
        reader.close()
        runner.run(asyncio.sleep(0))  # its connection closes in a turn of the loop


def encode(mode: str = "RGB", size: tuple[int, int] = (60, 44), **options: object) -> bytes:
    """Encode a HEIC."""
    load_heif()
    return samples.save(samples.draw(mode, size), HEIF, **options)


def decode(data: bytes) -> DecodedImage:
    """Decode within small limits."""
    return ImageDecoder(max_bytes=1_000_000, max_pixels=1_000_000).decode(data)


def assert_equals_theirs(data: bytes) -> DecodedImage:
    """Hold an image against transformers' load_image."""
    decoded = decode(data)
    theirs = np.asarray(load_image(Image.open(io.BytesIO(data))))
    np.testing.assert_array_equal(np.asarray(decoded.rgb), theirs)
    return decoded


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "L", "LA", "I;16"])
def test_a_heic_equals_load_image(mode: str) -> None:
    """In every colour mode, and it is called HEIF."""
    decoded = assert_equals_theirs(encode(mode))
    assert (decoded.rgb.mode, decoded.size, decoded.format) == ("RGB", (60, 44), HEIF)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_heic_is_turned_upright_once(orientation: int) -> None:
    """By its own boxes, which libheif obeys, though its EXIF tells the same turn."""
    image = Image.new("RGB", (60, 44))
    image.paste((255, 255, 255), (0, 0, 30, 22))  # white where the picture begins
    exif = Image.Exif()
    exif[274] = orientation
    decoded = assert_equals_theirs(samples.save(image, HEIF, exif=exif.tobytes()))
    jpeg = samples.save(image, "JPEG", exif=exif.tobytes())
    upright = np.asarray(decode(jpeg).rgb, np.int16)
    assert decoded.size == ((60, 44) if orientation < 5 else (44, 60))
    assert np.abs(upright - np.asarray(decoded.rgb, np.int16)).mean() < 5


def test_a_heic_in_tiles_is_put_together() -> None:
    """As iPhones write them."""
    whole = assert_equals_theirs(encode(size=(200, 150), tile_size=64))
    assert whole.size == (200, 150)


def patch(data: bytes, box: bytes, offset: int, *numbers: int) -> bytes:
    """Replace numbers in a box of a HEIC."""
    index = data.index(box) + offset
    return (
        data[:index] + struct.pack(f">{len(numbers)}I", *numbers) + data[index + 4 * len(numbers) :]
    )


@pytest.mark.parametrize("size", [(16_000, 16_000), (1_001, 1_000), (32_000, 32_000)])
def test_a_heic_that_is_too_large_by_its_header_is_refused(size: tuple[int, int]) -> None:
    """Before it is decoded."""
    with pytest.raises(ImageTooLargeError):
        decode(patch(encode(size=(64, 64)), b"ispe", 8, *size))


@pytest.mark.parametrize("size", [(8, 8), (128, 64), (0, 64), (2**31, 1), (2**32 - 1, 2**32 - 1)])
def test_a_header_of_another_size_than_its_picture_is_refused(size: tuple[int, int]) -> None:
    """Or of one that no image has."""
    with pytest.raises((ImageTooLargeError, UndecodableImageError)):
        decode(patch(encode(size=(64, 64)), b"ispe", 8, *size))


def test_a_large_picture_with_a_small_cut_takes_little_memory(read: Read) -> None:
    """The header tells the size of the cut alone, and memory is bound by that (Linux)."""
    read(encode())
    (worker,) = (one for one in psutil.Process().children() if WORKER in one.cmdline())
    before = read_peak(worker.pid)
    large = samples.save(Image.new("L", (4093, 4093)), HEIF, quality=1)
    with pytest.raises(UndecodableImageError, match=r"memory|corrupt"):
        read(patch(large, b"clap", 4, 60, 1, 44, 1))
    assert read_peak(worker.pid) - before < 60_000_000
    assert read(encode()).format == HEIF


def test_a_damaged_heic_ends_in_a_typed_error() -> None:
    """Cut off, with other bytes in it, or with a header alone."""
    data = encode()
    rng = np.random.default_rng(3)
    damaged = [data[:length] for length in range(12, len(data), 37)]
    for _ in range(200):
        mutant = bytearray(data)
        for index in rng.integers(0, len(data), 8):
            mutant[index] = rng.integers(0, 256)
        damaged.append(bytes(mutant))
    problems = 0
    for one in damaged:
        try:
            decode(one)
        except ProblemError:
            problems += 1
    assert problems > 50
    for garbage in (data[:24], data[:12] + bytes(500), data[:400]):
        with pytest.raises(UndecodableImageError):
            decode(garbage)


@pytest.mark.parametrize("brand", [b"heic", b"heix", b"hevc", b"mif1", b"msf1"])
def test_every_brand_is_named(brand: bytes) -> None:
    """For the error of a service that does not read it."""
    assert name_media_type(b"\0\0\0\x18ftyp" + brand).startswith("image/hei")


def test_without_pillow_heif_the_error_says_what_to_install() -> None:
    """Of HEIC alone, not of anything else."""
    done = subprocess.run(
        [sys.executable, "-c", _ABSENT], cwd=ROOT, capture_output=True, text=True, check=True
    )
    heic, pdf = done.stdout.splitlines()
    assert heic.startswith("The content looks like image/heic; JPEG, PNG")
    assert "pip install 'vitrine[heif]'" in heic
    assert "heif" not in pdf
