"""How much may be in the house: images that wait or are being scored, and bytes that are held.

What comes beyond is refused at once. Of a body that comes the announced length is looked at and
not held: a few slow clients could announce the whole house full.
"""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

from app.errors import OverloadedError


class Admission:
    """Counts images and bytes, and refuses what does not fit.

    Args:
        max_images: most images at once.
        max_bytes: most bytes of bodies at once.

    Attributes:
        images: those in the house now.
        bytes: held now.
        refused: how often something was refused.
        cancelled: how many images nobody waited for any more, because their client had gone.
    """

    def __init__(self, max_images: int, max_bytes: int) -> None:
        self._max_images = max_images
        self._max_bytes = max_bytes
        self.images = 0
        self.bytes = 0
        self.refused = 0
        self.cancelled = 0

    def check(self, length: int = 0) -> None:
        """Refuse what would not fit now; takes no place.

        Args:
            length: bytes that are announced.

        Raises:
            OverloadedError: the house is full.
        """
        if self.images >= self._max_images:
            self._refuse(f"{self.images} images are waiting already; try again in a moment.")
        self._check_bytes(length)

    @contextmanager
    def hold_image(self) -> Iterator[None]:
        """Take a place for one image; raises OverloadedError."""
        self.check()
        self.images += 1
        try:
            yield
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        finally:
            self.images -= 1

    def hold_bytes(self, count: int) -> None:
        """Take a place for more bytes, until `free_bytes`; raises OverloadedError."""
        self._check_bytes(count)
        self.bytes += count

    def free_bytes(self, count: int) -> None:
        """Give bytes back."""
        self.bytes -= count

    def _check_bytes(self, count: int) -> None:
        """Refuse more bytes than fit now."""
        if self.bytes + count > self._max_bytes:
            self._refuse(f"{self.bytes} bytes are waiting already; try again in a moment.")

    def _refuse(self, message: str) -> None:
        """Count and raise."""
        self.refused += 1
        raise OverloadedError(message)
