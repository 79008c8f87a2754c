"""Reading an image: its bytes become the pixels of the model's size.

`ImageReader` does it. A `Reader` says where: `ThreadReader` in this process,
`app.images.worker_pool.ProcessReader` in processes of its own, for a service.
"""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from threading import Lock
from typing import Protocol

from PIL import Image

from app.backend import Geometry, Pixels
from app.images.decoder import ImageDecoder
from app.images.formats import load_heif
from app.images.geometry import Processor, build_processor
from app.images.inline import may_read_inline, should_read_inline
from app.images.memory_limit import BoundMemory, leave_unbounded
from app.images.scaled_decoding import Size
from app.limits import Limits


@dataclass(frozen=True, slots=True)
class Reading:
    """An image as it was read.

    Attributes:
        size: width and height of the image that was sent, upright.
        format: one of `app.images.formats.FORMATS`, or HEIF.
        pixels: `[height, width, 3]` of the model's size.
    """

    size: Size
    format: str
    pixels: Pixels


class Reader(Protocol):
    """Reads images, many at once; safe from the event loop."""

    async def warm_up(self, geometry: Geometry) -> None:
        """Get ready for images of this geometry, so that the first need not wait."""
        ...

    async def read(self, data: bytes, geometry: Geometry) -> Reading:
        """Read one encoded image.

        Raises:
            ProblemError: what is wrong with the image.
        """
        ...


class ImageReader:
    """Reads one image after another, where it is called.

    Args:
        limits: of an image.
        bound_memory: holds an image to the memory that its size asks for.
    """

    def __init__(self, limits: Limits, bound_memory: BoundMemory = leave_unbounded) -> None:
        self._decoder = ImageDecoder(limits.max_bytes, limits.max_pixels, limits.gap, bound_memory)
        self._max_pixels = limits.max_pixels
        self._building = Lock()  # transformers cannot be imported by two threads at once
        self._find_processor = lru_cache(maxsize=2)(self._build_processor)

    def warm_up(self, geometry: Geometry) -> None:
        """Build what applies the geometry; takes seconds where transformers must be imported."""
        self._find_processor(geometry)

    def open_inline(self, data: bytes, geometry: Geometry) -> Image.Image | None:
        """Open an image that is read sooner than handed on; None for any other.

        Raises:
            ProblemError: what is wrong with the image.
        """
        if geometry.fallback is not None or not may_read_inline(data):
            return None
        image = self._decoder.open(data)
        return image if should_read_inline(image) else None

    def read(self, source: bytes | Image.Image, geometry: Geometry) -> Reading:
        """Read one image, given as its bytes or opened; raises ProblemError."""
        processor = self._find_processor(geometry)
        image = self._decoder.decode(source, processor.find_target)
        return Reading(image.size, image.format, processor(image))

    def _build_processor(self, geometry: Geometry) -> Processor:
        """Build a processor."""
        with self._building:
            return build_processor(geometry, self._max_pixels)


class ThreadReader:
    """A Reader on the threads of this process."""

    def __init__(self, limits: Limits) -> None:
        load_heif()
        self._images = ImageReader(limits)
        self._threads = ThreadPoolExecutor(limits.readers, thread_name_prefix="read")

    async def warm_up(self, geometry: Geometry) -> None:
        """Build what applies the geometry."""
        await asyncio.to_thread(self._images.warm_up, geometry)

    async def read(self, data: bytes, geometry: Geometry) -> Reading:
        """Read one encoded image; raises ProblemError."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._threads, self._images.read, data, geometry)
