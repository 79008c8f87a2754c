"""Seeded damage to real images of every format: flips, cuts, splices and edits of their headers.

The same number always gives the same file, so a failure is told by its number alone.
"""

import re
import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

import numpy as np
from PIL import ImageFilter

from tests.support import samples

_DIGITS = Path(__file__).parents[2] / "app" / "demo" / "samples"
_PNG = b"\x89PNG\r\n\x1a\n"
_NAME: Final = re.compile(rb"[A-Za-z][A-Za-z0-9]{3}")
"""What the names of a PNG's chunks, a WebP's and an AVIF's boxes look like."""

_EXTREMES: Final = (0, 1, 2, 0x7F, 0x80, 0xFF, 0x7FFF, 0x8000, 0xFFFF, 0x7FFF_FFFF, 0xFFFF_FFFF)
_HEAD = 256
"""Bytes in which most headers lie."""


@dataclass(frozen=True, slots=True)
class Mutant:
    """A damaged file.

    Attributes:
        name: its number, what it was, and what was done to it.
        data: the bytes.
    """

    name: str
    data: bytes


@cache
def list_originals() -> tuple[tuple[str, bytes], ...]:
    """List undamaged files by name: every sample, the bundled digits, and photographs."""
    originals = [(name, samples.encode(name)) for name in samples.NAMES]
    originals += [(path.name, path.read_bytes()) for path in sorted(_DIGITS.glob("*.png"))]
    for name in samples.FORMATS:
        smooth = samples.draw(size=(320, 240), seed=7).filter(ImageFilter.GaussianBlur(3))
        originals.append((f"{name} photograph", samples.save(smooth, name)))
    return tuple(originals)


def make_mutant(number: int) -> Mutant:
    """Damage a file in one to four ways, all chosen by `number`."""
    rng = np.random.default_rng(number)
    originals = list_originals()
    name, data = originals[rng.integers(len(originals))]
    done = []
    for _ in range(rng.integers(1, 5)):
        kind = list(_KINDS)[rng.integers(len(_KINDS))]
        data = _KINDS[kind](data or b"\0", rng)
        done.append(kind)
    if data.startswith(_PNG) and rng.random() < 0.8:
        data = _seal_png(data)
    return Mutant(f"{number} {name}: {', '.join(done)}", data)


def _choose_offset(data: bytes, rng: np.random.Generator) -> int:
    """Choose an offset in a file, most often in its head."""
    most = len(data) if rng.random() < 0.5 else min(len(data), _HEAD)
    return int(rng.integers(most))


def _flip(data: bytes, rng: np.random.Generator) -> bytes:
    """Flip up to 16 bits."""
    damaged = bytearray(data)
    for _ in range(rng.integers(1, 17)):
        damaged[_choose_offset(data, rng)] ^= 1 << int(rng.integers(8))
    return bytes(damaged)


def _cut(data: bytes, rng: np.random.Generator) -> bytes:
    """Cut a piece out."""
    start = _choose_offset(data, rng)
    return data[:start] + data[start + int(rng.integers(1, 200)) :]


def _truncate(data: bytes, rng: np.random.Generator) -> bytes:
    """Cut the end off."""
    return data[: _choose_offset(data, rng) + 1]


def _repeat(data: bytes, rng: np.random.Generator) -> bytes:
    """Repeat a piece up to 50 times."""
    start = _choose_offset(data, rng)
    piece = data[start : start + int(rng.integers(1, 200))]
    return data[:start] + piece * int(rng.integers(2, 51)) + data[start:]


def _insert(data: bytes, rng: np.random.Generator) -> bytes:
    """Put noise in."""
    start = _choose_offset(data, rng)
    return data[:start] + rng.bytes(int(rng.integers(1, 200))) + data[start:]


def _splice(data: bytes, rng: np.random.Generator) -> bytes:
    """Go on with the rest of another file."""
    originals = list_originals()
    _, other = originals[rng.integers(len(originals))]
    return data[: _choose_offset(data, rng)] + other[_choose_offset(other, rng) :]


def _swap(data: bytes, rng: np.random.Generator) -> bytes:
    """Swap the pieces at both sides of an offset."""
    offset, length = _choose_offset(data, rng), int(rng.integers(1, 100))
    start = max(0, offset - length)
    end = offset + length
    return data[:start] + data[offset:end] + data[start:offset] + data[end:]


def _edit_header(data: bytes, rng: np.random.Generator) -> bytes:
    """Put an extreme number, of one to eight bytes and either order, into the head."""
    start = int(rng.integers(min(len(data), _HEAD)))
    length = int(rng.choice([1, 2, 4, 8]))
    number = int(rng.choice(_EXTREMES)) % (1 << (8 * length))
    value = number.to_bytes(length, "big")
    return data[:start] + (value if rng.random() < 0.5 else value[::-1]) + data[start + length :]


def _edit_length(data: bytes, rng: np.random.Generator) -> bytes:
    """Change the length of a chunk or box, which stands before or behind its name."""
    names = [match.start() for match in _NAME.finditer(data[: 16 * _HEAD])]
    if not names:
        return _edit_header(data, rng)
    name = int(rng.choice(names))
    start = max(0, name - 4) if rng.random() < 0.5 else name + 4
    length = struct.pack(">I" if rng.random() < 0.5 else "<I", int(rng.choice(_EXTREMES)))
    return data[:start] + length + data[start + 4 :]


_KINDS: Final[dict[str, Callable[[bytes, np.random.Generator], bytes]]] = {
    "flip": _flip,
    "cut": _cut,
    "truncate": _truncate,
    "repeat": _repeat,
    "insert": _insert,
    "splice": _splice,
    "swap": _swap,
    "header": _edit_header,
    "length": _edit_length,
}


def _seal_png(data: bytes) -> bytes:
    """Put a PNG's checksums right as far as its chunks can be followed."""
    sealed, start = bytearray(data), len(_PNG)
    while start + 12 <= len(sealed):
        (length,) = struct.unpack_from(">I", sealed, start)
        end = start + 8 + length
        if end + 4 > len(sealed):
            break
        struct.pack_into(">I", sealed, end, zlib.crc32(sealed[start + 4 : end]))
        start = end + 4
    return bytes(sealed)
