"""Ray Data reads every image once, with the service's own reader, to pixels of the model's size."""

from collections.abc import Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from app.backend import Geometry
from app.datasets.fetcher import SampleFetcher
from app.datasets.sample import Sample
from app.errors import ProblemError
from app.images.formats import load_heif
from app.images.reader import ImageReader
from app.limits import Limits
from app.machine import count_cores
from app.training.duplicates import THUMBNAIL_SIDE, hash_image

Columns = dict[str, NDArray[Any]]

MIN_BLOCK, MAX_BLOCK = 16, 512
"""Images of a block of Ray Data."""

READ_BATCH = 16
"""Images that one call reads."""


class PixelReader(NamedTuple):
    """What reads samples.

    Attributes:
        geometry: of the pixels.
        limits: of an image.
        column: of a table, that holds the images.
    """

    geometry: Geometry
    limits: Limits
    column: str | None


@lru_cache(maxsize=1)
def _build(reader: PixelReader) -> tuple[ImageReader, SampleFetcher]:
    """Build what a process needs; Ray's run many tasks."""
    load_heif()
    images = ImageReader(reader.limits)
    images.warm_up(reader.geometry)
    return images, SampleFetcher(reader.limits.max_bytes, reader.column)


def read_batch(batch: Columns, reader: PixelReader) -> Columns:
    """Read a batch of samples; an image that has a problem is black, with the problem beside it."""
    images, fetch = _build(reader)
    count = len(batch["number"])
    pixels = np.zeros((count, *reader.geometry.shape), np.uint8)
    hashes = np.zeros(count, np.uint64)
    thumbnails = np.zeros((count, THUMBNAIL_SIDE**2), np.uint8)
    problems = np.full(count, "", dtype=object)
    for index, (path, uri, row) in enumerate(
        zip(batch["path"], batch["uri"], batch["row"], strict=True)
    ):
        sample = Sample(_decode(path), _decode(uri), int(row))
        try:
            pixels[index] = images.read(fetch(sample), reader.geometry).pixels
        except ProblemError as problem:
            problems[index] = f"{problem.title}: {problem.detail}"
        else:
            image = Image.fromarray(pixels[index])
            hashes[index], thumbnails[index] = hash_image(image)
    return {
        "number": batch["number"],
        "label_id": batch["label_id"],
        "held_out": batch["held_out"],
        "pixels": pixels,
        "hash": hashes,
        "thumbnail": thumbnails,
        "problem": problems,
    }


def read_pixels(
    parts: tuple[Sequence[Sample], Sequence[Sample]],
    label_ids: dict[str, int],
    reader: PixelReader,
) -> Any:  # noqa: ANN401 - Ray has no types
    """Build Ray Data's plan that reads the training and the held-out samples; it runs later."""
    import ray  # noqa: PLC0415

    tables = _list_tables(parts, label_ids)
    samples = ray.data.from_arrow(tables)
    return samples.map_batches(read_batch, fn_args=(reader,), batch_size=READ_BATCH)


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
