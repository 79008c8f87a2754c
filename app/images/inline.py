"""Which images are read where they are, on the event loop, and not in a process of their own.

Handing an image over costs what reading a small one does. What a hostile one of the same size can
do decides what may stay: JPEGs and PNGs, whose readers are the oldest, without what unpacks to a
thousand times its size.
"""

from PIL import Image

BYTES = 16 * 1024
EDGES = (16, 128)
"""An image within both is read in some tenths of a millisecond.

Its shortest edge counts too: a thin image would be enlarged to a huge one by some processors.
"""

_SIGNATURES = (b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n")
_PACKED = (b"zTXt", b"iTXt", b"iCCP")
"""PNG chunks of which one kilobyte may hold a megabyte: BYTES of them take some 50 ms to open."""


def may_read_inline(data: bytes) -> bool:
    """Tell by its bytes alone whether an image may be opened where it is."""
    if len(data) > BYTES or not data.startswith(_SIGNATURES):
        return False
    return not any(kind in data for kind in _PACKED)


def should_read_inline(image: Image.Image) -> bool:
    """Tell of an opened image, whose bytes may be quick, whether handing it on costs more."""
    return EDGES[0] <= min(image.size) and max(image.size) <= EDGES[1]
