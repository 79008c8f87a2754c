"""Ray Data reads every image once, with the service's own reader, to pixels of the model's size."""

import asyncio
import shutil
import tempfile
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from app.backend import Geometry
from app.datasets.fetch_threads import FetchThreads
from app.datasets.fetcher import SampleFetcher
from app.datasets.sample import Sample
from app.errors import DatasetError, ProblemError
from app.images.formats import load_heif
from app.images.reader import Reading
from app.images.workers.messages import count_bytes
from app.images.workers.pool import ProcessReader
from app.limits import Limits
from app.machine import count_cores
from app.training.duplicates import THUMBNAIL_SIDE, hash_image

Columns = dict[str, NDArray[Any]]

MIN_BLOCK, MAX_BLOCK = 16, 512
"""Images of a block of Ray Data."""

COPIES = 3
"""Of all pixels, that Ray holds at most: as they are read, shuffled, and split into parts."""

FULL = 0.05
"""Share of a disk that must stay free, or Ray writes no more to it."""

READ_BATCH = 64
"""Images that are read at the same time."""


class PixelReader:
    """Reads batches of samples, in worker processes: a bad image costs no more than itself.

    Args:
        geometry: of the pixels.
        limits: of an image.
        column: of a table, that holds the images.
    """

    def __init__(self, geometry: Geometry, limits: Limits, column: str | None) -> None:
        load_heif()
        self._geometry = geometry
        self._threads = FetchThreads(SampleFetcher(limits.max_bytes, column), limits.timeout_s)
        self._images = ProcessReader(limits)
        self._runner = asyncio.Runner()
        self._runner.run(self._images.warm_up(geometry))

    def __call__(self, batch: Columns) -> Columns:
        """Read a batch; an image that has a problem is black, with the problem beside it."""
        count = len(batch["number"])
        pixels = np.zeros((count, *self._geometry.shape), np.uint8)
        hashes = np.zeros(count, np.uint64)
        thumbnails = np.zeros((count, THUMBNAIL_SIDE**2), np.uint8)
        problems = np.full(count, "", dtype=object)
        for index, found in enumerate(self._runner.run(self._read(batch))):
            if isinstance(found, ProblemError):
                problems[index] = f"{found.title}: {found.detail}"
            else:
                pixels[index] = found.pixels
                hashes[index], thumbnails[index] = hash_image(Image.fromarray(found.pixels))
        kept = {name: batch[name] for name in ("number", "label_id", "held_out")}
        read: Columns = {
            "pixels": pixels,
            "hash": hashes,
            "thumbnail": thumbnails,
            "problem": problems,
        }
        return kept | read

    def close(self) -> None:
        """End the worker processes, and the threads that fetch."""
        self._images.close()
        self._threads.close()
        self._runner.close()

    async def _read(self, batch: Columns) -> list[Reading | ProblemError]:
        """Read the samples of a batch at the same time."""
        samples = (
            Sample(_decode(path), _decode(uri), int(row))
            for path, uri, row in zip(batch["path"], batch["uri"], batch["row"], strict=True)
        )
        return await asyncio.gather(*map(self._read_sample, samples))

    async def _read_sample(self, sample: Sample) -> Reading | ProblemError:
        """Read a sample, or give why it cannot be."""
        try:
            fetched = await self._threads.fetch(sample)
            return await self._images.read(fetched.data, self._geometry)
        except ProblemError as problem:
            return problem


def measure_room() -> int:
    """Measure the bytes that a Ray of our own can hold, in its memory and on the disk."""
    import ray  # noqa: PLC0415

    disk = shutil.disk_usage(tempfile.gettempdir())
    memory = ray.cluster_resources().get("object_store_memory", 0)
    return int(memory + max(0, disk.free - FULL * disk.total))


def check_room(images: int, geometry: Geometry, room: int) -> None:
    """Refuse more images than there is room for, before they are read; raises DatasetError."""
    needed = COPIES * images * count_bytes(geometry)
    if needed > room:
        height, width = geometry.size
        message = (
            f"{images:,} images of {width} x {height} pixels need {needed / 1e9:,.1f} GB while "
            f"they are read; Ray's memory and the disk of {tempfile.gettempdir()} have "
            f"{room / 1e9:,.1f} GB. Set TMPDIR to a larger disk, or give fewer images."
        )
        raise DatasetError(message)


def read_pixels(
    parts: tuple[Sequence[Sample], Sequence[Sample]],
    label_ids: dict[str, int],
    reader: tuple[Geometry, Limits, str | None],
) -> Any:  # noqa: ANN401 - Ray has no types
    """Build Ray Data's plan that reads the training and the held-out samples; it runs later.

    Args:
        parts: to train on, and held out.
        label_ids: by label.
        reader: what a `PixelReader` is made of. Each machine has one, with as many processes as
            cores.
    """
    import ray  # noqa: PLC0415

    # Otherwise a line of ours, such as that the storage hangs, comes without what it says.
    ray.data.DataContext.get_current().raise_original_map_exception = True
    samples = ray.data.from_arrow(_list_tables(parts, label_ids))
    machines = sum(node["Alive"] for node in ray.nodes())
    return samples.map_batches(
        PixelReader,
        fn_constructor_args=reader,
        batch_size=READ_BATCH,
        compute=ray.data.ActorPoolStrategy(size=machines),
        num_cpus=1,
    )


def take_part(pixels: Any, *, held_out: bool) -> Any:  # noqa: ANN401 - Ray has no types
    """Take the readable images of one part, without what only the survey needs."""

    def keep(batch: Columns) -> Columns:
        chosen = (batch["held_out"] == held_out) & (batch["problem"] == "")
        return {name: batch[name][chosen] for name in ("pixels", "label_id")}

    return pixels.map_batches(keep, batch_size=None, batch_format="numpy")


def _list_tables(
    parts: tuple[Sequence[Sample], Sequence[Sample]], label_ids: dict[str, int]
) -> list[Any]:
    """List the samples as Arrow tables, one for each block."""
    import pyarrow as pa  # noqa: PLC0415

    samples = [*parts[0], *parts[1]]
    size = max(MIN_BLOCK, min(MAX_BLOCK, len(samples) // (4 * count_cores())))
    tables = []
    for start in range(0, len(samples), size):
        some = samples[start : start + size]
        numbers = range(start, start + len(some))
        tables.append(
            pa.table(
                {
                    "number": pa.array(numbers, pa.int64()),
                    "path": pa.array([_encode(one.path) for one in some], pa.binary()),
                    "uri": pa.array([_encode(one.uri) for one in some], pa.binary()),
                    "row": pa.array([one.row for one in some], pa.int64()),
                    "label_id": pa.array([label_ids[str(one.label)] for one in some], pa.int64()),
                    "held_out": pa.array([number >= len(parts[0]) for number in numbers]),
                }
            )
        )
    return tables


def _encode(name: str) -> bytes:
    """Encode a name for Arrow, which takes no surrogates (names that are not UTF-8)."""
    return name.encode("utf-8", "surrogatepass")


def _decode(name: bytes) -> str:
    """Undo `_encode`."""
    return bytes(name).decode("utf-8", "surrogatepass")
