"""Reading an image: its bytes become pixels of the model's size.

`ImageReader` reads; a `Reader` says where: `ThreadReader` in this process, for offline use, and
`app.images.workers.pool.ProcessReader` in worker processes, for a service.
"""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from threading import Lock
from typing import Protocol

from PIL import Image

from app.backend import Geometry, Pixels
from app.errors import UndecodableImageError
from app.images.decoder import ImageDecoder
from app.images.formats import load_heif
from app.images.geometry import Processor, build_processor
from app.images.inline import may_read_inline, should_read_inline
from app.images.memory_limit import BoundMemory, leave_unbounded
from app.images.scaled_decoding import Size
from app.limits import Limits

MAX_PROCESSORS = 8
"""Processors that are kept: of two revisions, and of pictures of some sizes to draw over."""


@dataclass(frozen=True, slots=True)
class Reading:
    """An image that was read.

    Attributes:
        size: as of `DecodedImage`.
        format: the same.
        pixels: `[height, width, 3]`.
        group_size: number of images that were read together, and are ready at the same time.
        seconds: of CPU that reading it took, where a worker process has read it.
    """

    size: Size
    format: str
    pixels: Pixels
    group_size: int = 1
    seconds: float = 0.0


class Reader(Protocol):
    """Reads many images at once, without blocking the event loop."""

    async def warm_up(self, geometry: Geometry) -> None:
        """Build what this geometry needs, so that the first image does not wait for it."""
        ...

    async def read(self, data: bytes, geometry: Geometry) -> Reading:
        """Read one encoded image; raises ProblemError."""
        ...


class ImageReader:
    """Reads an image in the calling thread; `bound_memory` is that of `ImageDecoder`."""

    def __init__(self, limits: Limits, bound_memory: BoundMemory = leave_unbounded) -> None:
        self._decoder = ImageDecoder(limits.max_bytes, limits.max_pixels, limits.gap, bound_memory)
        self._max_pixels = limits.max_pixels
        self._building = Lock()  # transformers cannot be imported by two threads at once
        self._find_processor = lru_cache(maxsize=MAX_PROCESSORS)(self._build_processor)

    def warm_up(self, geometry: Geometry) -> None:
        """Build the processor; takes seconds if that imports transformers."""
        self._find_processor(geometry)

    def open_inline(self, data: bytes, geometry: Geometry) -> Image.Image | None:
        """Open an image that should be read inline; None for any other; raises ProblemError."""
        if geometry.fallback is not None or not may_read_inline(data):
            return None
        image = self._decoder.open(data)
        return image if should_read_inline(image) else None

    def read(self, data: bytes | Image.Image, geometry: Geometry) -> Reading:
        """Read one image, encoded or opened; raises ProblemError."""
        processor = self._find_processor(geometry)
        image = self._decoder.decode(data, processor.find_target)
        pixels = processor(image)
        if pixels.shape != geometry.shape:  # else it would fail the images in its group
            given, wanted = (
                " x ".join(map(str, shape)) for shape in (pixels.shape, geometry.shape)
            )
            message = f"The model's image processor makes {given} of this image, not {wanted}."
            raise UndecodableImageError(f"{message} Send one of another width or height.")
        return Reading(image.size, image.format, pixels)

    def _build_processor(self, geometry: Geometry) -> Processor:
        """Build a processor."""
        with self._building:
            return build_processor(geometry, self._max_pixels)


class ThreadReader:
    """A Reader on threads of this process."""

    def __init__(self, limits: Limits) -> None:
        load_heif()
        self._images = ImageReader(limits)
        self._threads = ThreadPoolExecutor(limits.readers, thread_name_prefix="read")

    async def warm_up(self, geometry: Geometry) -> None:
        """Build the processor."""
        await asyncio.to_thread(self._images.warm_up, geometry)

    async def read(self, data: bytes, geometry: Geometry) -> Reading:
        """Read one encoded image; raises ProblemError."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._threads, self._images.read, data, geometry)
