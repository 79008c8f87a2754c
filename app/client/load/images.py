"""The images of a load test: files and folders, read once and kept within bounds."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from app.errors import ServiceError
from app.hostile_text import clean_text
from app.images.signatures import name_media_type

MAX_IMAGES = 1000
"""Of a folder with more, that many are taken, spread over it."""

MAX_BYTES = 256 << 20
"""Bytes of all images, each kept in memory with its request."""

SIGNATURE_BYTES = 1024


class ImageFile(NamedTuple):
    """An image: its file, its media type and its bytes."""

    path: Path
    media_type: str
    content: bytes


def read_images(paths: Iterable[Path]) -> list[ImageFile]:
    """Read files and the images in folders.

    Raises:
        ServiceError: a path is neither, a file is no image, or a folder has none.
    """
    files = [file for path in paths for file in _list_files(path)]
    step = max(1.0, len(files) / MAX_IMAGES)
    chosen = [files[int(index * step)] for index in range(min(len(files), MAX_IMAGES))]
    images, room = [], MAX_BYTES
    for path in chosen:
        content = _read(path, room)
        room -= len(content)
        images.append(ImageFile(path, _name_type(path, content), content))
    return images


def _list_files(path: Path) -> Iterator[Path]:
    """List a file, or the images in a folder and below."""
    if not path.is_dir():
        yield path
        return
    found = [file for file in sorted(path.rglob("*")) if file.is_file() and _starts_as_image(file)]
    if not found:
        raise ServiceError(f"{_show(path)} has no images.")
    yield from found


def _starts_as_image(path: Path) -> bool:
    """Tell whether a file of a folder is an image; others are passed over."""
    try:
        with path.open("rb") as file:
            return name_media_type(file.read(SIGNATURE_BYTES)).startswith("image/")
    except OSError:
        return False


def _read(path: Path, room: int) -> bytes:
    """Read a file of at most `room` bytes; a pipe or a device is none."""
    try:
        size = path.stat().st_size
        if not path.is_file():
            raise ServiceError(f"{_show(path)} is not a file.")
        if size > room:
            raise ServiceError(f"{_show(path)}: all images may have {MAX_BYTES} bytes. Name fewer.")
        return path.read_bytes()
    except OSError as exc:
        raise ServiceError(f"{_show(path)} cannot be read: {exc.strerror}.") from exc


def _name_type(path: Path, content: bytes) -> str:
    """Name the media type of an image."""
    name = name_media_type(content)
    if not content or not name.startswith("image/"):
        raise ServiceError(f"{_show(path)} is no image but {name if content else 'empty'}.")
    return name


def _show(path: Path) -> str:
    """Show a path on a terminal."""
    return clean_text(str(path))
