"""A reader of images in worker processes, open while a test needs it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from app.backend import Geometry
from app.images.workers.pool import ProcessReader
from app.limits import Limits


@asynccontextmanager
async def open_reader(limits: Limits, geometry: Geometry) -> AsyncIterator[ProcessReader]:
    """Open a reader whose workers are ready."""
    reader = ProcessReader(limits)
    try:
        await reader.warm_up(geometry)
        yield reader
    finally:
        reader.close()
