"""Reading samples to pixels, as a task of Ray Data does."""

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from app.classifier.checkpoint.files import open_checkpoint
from app.classifier.checkpoint.processor import load_processor
from app.datasets.fetcher import SampleFetcher
from app.datasets.sample import Sample
from app.errors import DatasetError
from app.images.reader import ImageReader
from app.limits import derive_limits
from app.settings import Settings
from app.training.pixels import Columns, PixelReader, check_room
from tests.support.service import SAMPLES

LIMITS = derive_limits(Settings(model="bundled"))
GEOMETRY, _ = load_processor(open_checkpoint("bundled").processor_folder)


@pytest.fixture(scope="module")
def reader() -> Iterator[PixelReader]:
    """A reader for the bundled model."""
    with closing(PixelReader(GEOMETRY, LIMITS, None)) as found:
        yield found


def make_batch(paths: list[str]) -> Columns:
    """Make the columns of samples."""
    names = np.array([path.encode("utf-8", "surrogatepass") for path in paths], object)
    count = len(paths)
    return {
        "number": np.arange(count),
        "path": names,
        "uri": names,
        "row": np.full(count, -1),
        "label_id": np.zeros(count, np.int64),
        "held_out": np.zeros(count, bool),
    }


def test_pixels_are_those_of_the_service(reader: PixelReader) -> None:
    """Training sees the pixels that the service will give to the model."""
    paths = sorted(map(str, SAMPLES.glob("*.png")))
    images, fetch = ImageReader(LIMITS), SampleFetcher(LIMITS.max_bytes)
    found = reader(make_batch(paths))
    for path, pixels in zip(paths, found["pixels"], strict=True):
        wanted = images.read(fetch(Sample(path, path)), GEOMETRY).pixels
        assert np.array_equal(pixels, wanted)
    assert set(found["problem"]) == {""}


def test_more_images_than_there_is_room_for_are_refused_before_they_are_read() -> None:
    """A million at 224 x 224 take 452 GB while they are read: one line, and not a full disk."""
    geometry = replace(GEOMETRY, size=(224, 224))
    room = 3 * 224 * 224 * 3 * 10**6
    check_room(10**6, geometry, room)
    with pytest.raises(DatasetError, match=r"^1,000,000 images of 224 x 224 pixels need 451\.6 GB"):
        check_room(10**6, geometry, room - 1)


def test_what_cannot_be_read_has_its_problem_and_stops_nothing(
    reader: PixelReader, tmp_path: Path
) -> None:
    """A text file, a missing file and a name that is not UTF-8 are told, and the good one read."""
    text = tmp_path / "text.png"
    text.write_text("hello")
    strange = tmp_path / "\udcff.png"
    strange.write_bytes((SAMPLES / "7-0.png").read_bytes())
    paths = [str(text), str(tmp_path / "gone.png"), str(strange)]
    found = reader(make_batch(paths))
    assert found["problem"][0].startswith("Unsupported media type: ")
    assert "cannot be read" in found["problem"][1]
    assert found["problem"][2] == ""
    assert found["pixels"][2].any()
    assert not found["pixels"][:2].any()
