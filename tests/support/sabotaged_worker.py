"""The worker that reads images, but two words in place of an image end it or let it hang.

No image is known that does either to Pillow; all else is the real worker.
"""

import os
import signal
import time

from PIL import Image

from app.backend import Geometry
from app.images.memory_limit import make_bound
from app.images.reader import ImageReader, Reading
from app.images.worker import read_limits, run

MODULE = "tests.support.sabotaged_worker"
END, HANG = b"end the process", b"hang"


class SabotagedReader(ImageReader):
    """Reads images, and obeys the two words."""

    def read(self, data: bytes | Image.Image, geometry: Geometry) -> Reading:
        """Read one image."""
        if isinstance(data, bytes) and data.startswith(END):
            os.kill(os.getpid(), signal.SIGKILL)
        if isinstance(data, bytes) and data.startswith(HANG):
            time.sleep(60)
        return super().read(data, geometry)


if __name__ == "__main__":
    run(SabotagedReader(read_limits(), make_bound()))
