"""The worker that reads images, but words in place of an image end it or let it hang.

No image is known that does either to Pillow; all else is the real worker.
"""

import os
import resource
import signal
import sys
import time

from PIL import Image

from app.backend import Geometry
from app.images.memory_limit import make_bound
from app.images.reader import ImageReader, Reading
from app.images.workers.worker import read_limits, run

MODULE = "tests.support.sabotaged_worker"
END, HANG, CUT = b"end the process", b"hang", b"cut the file of the progress, and end"
FULL = b"let no file grow any more"


class SabotagedReader(ImageReader):
    """Reads images, and obeys the words."""

    def read(self, data: bytes | Image.Image, geometry: Geometry) -> Reading:
        """Read one image."""
        if isinstance(data, bytes) and data.startswith(FULL):
            os.ftruncate(int(sys.argv[2]), 0)
            resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
        if isinstance(data, bytes) and data.startswith(CUT):
            os.ftruncate(int(sys.argv[2]), 0)
        if isinstance(data, bytes) and data.startswith((END, CUT)):
            os.kill(os.getpid(), signal.SIGKILL)
        if isinstance(data, bytes) and data.startswith(HANG):
            time.sleep(60)
        return super().read(data, geometry)


if __name__ == "__main__":
    run(SabotagedReader(read_limits(), make_bound()))
