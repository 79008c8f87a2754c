"""Which images are read inline, on the event loop, instead of in a worker process.

Sending an image to a worker costs as much as reading a small one. A hostile image of the same size
must not block the loop: only JPEGs and PNGs, whose readers are the oldest, are read inline, and no
PNG with compressed metadata.
"""

from PIL import Image

MAX_BYTES = 16 * 1024
MIN_EDGE, MAX_EDGE = 16, 128
"""An image within these limits is read in some tenths of a millisecond.

MIN_EDGE excludes thin images, which some processors would enlarge to huge ones.
"""

_SIGNATURES = (b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n")
_COMPRESSED = (b"zTXt", b"iTXt", b"iCCP")
"""PNG chunks that compress up to 1000 times: MAX_BYTES of them take some 50 ms to open."""


def may_read_inline(data: bytes) -> bool:
    """Tell by the bytes whether an image may be opened inline."""
    if len(data) > MAX_BYTES or not data.startswith(_SIGNATURES):
        return False
    return not any(kind in data for kind in _COMPRESSED)


def should_read_inline(image: Image.Image) -> bool:
    """Tell by the size whether an opened image is read faster inline than by a worker."""
    return min(image.size) >= MIN_EDGE and max(image.size) <= MAX_EDGE
