"""Images are read in processes of their own: within a time, and without harm to the service.

A thread could not be stopped, and would take the whole service along where a decoder crashes. It
would also share one interpreter lock with the event loop.
"""

import asyncio
import json
import logging
import os
import socket
import subprocess
import sys
from dataclasses import asdict

from app.backend import Geometry
from app.errors import ModelUnavailableError, UndecodableImageError
from app.images.reader import ImageReader, Reading
from app.images.worker import START, read_answer, write_geometry
from app.limits import Limits

START_S = 60.0
"""Seconds until a process must be ready; transformers' own processors take seconds to import."""

TRIES = 2
"""Processes that an image is given to: another cause than the image may have ended the first."""

_logger = logging.getLogger("vitrine.prediction")


class ProcessReader:
    """A Reader in as many processes as `limits.readers`, which start with the first `warm_up`.

    A process that takes longer than `limits.decode_timeout_s` for an image is ended, and the next
    image gets a new one.
    """

    def __init__(self, limits: Limits) -> None:
        self._images = ImageReader(limits)
        self._children = [_Worker(limits) for _ in range(limits.readers)]
        self._idle: list[_Worker] = []
        self._places = asyncio.Semaphore(0)  # first come, first served, which a Queue is not
        self._reading: set[asyncio.Task[Reading]] = set()
        self._is_warm = False

    async def warm_up(self, geometry: Geometry) -> None:
        """Start the processes for images of this geometry; another one comes with its images.

        Raises:
            ModelUnavailableError: a process cannot be started.
        """
        if self._is_warm:
            return
        started = (child.warm_up(geometry) for child in self._children)
        for failure in await asyncio.gather(*started, return_exceptions=True):  # waits for all
            if failure is not None:
                raise failure
        self._is_warm = True
        for child in self._children:
            self._add_idle(child)

    async def read(self, data: bytes, geometry: Geometry) -> Reading:
        """Read one encoded image, a small one in this process; raises ProblemError.

        An image whose caller is cancelled before a process is free is not read.
        """
        image = self._images.open_inline(data, geometry)
        if image is not None:
            return self._images.read(image, geometry)
        await self._places.acquire()
        child = self._idle.pop()
        task = asyncio.create_task(child.read(data, geometry))
        self._reading.add(task)
        task.add_done_callback(self._reading.discard)
        task.add_done_callback(lambda _: self._add_idle(child))
        return await asyncio.shield(task)  # a caller who goes leaves the answer to be read

    def _add_idle(self, child: "_Worker") -> None:
        """Let a process have the next image."""
        self._idle.append(child)
        self._places.release()

    def close(self) -> None:
        """End the processes."""
        for child in self._children:
            child.end()


class _Worker:
    """One process, and the connection to it; a new one after it has ended."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._process: subprocess.Popen[bytes] | None = None
        self._geometry: Geometry | None = None
        self._number = 0
        self._answers: asyncio.StreamReader
        self._requests: asyncio.StreamWriter

    async def warm_up(self, geometry: Geometry) -> None:
        """Make sure that the process was started and has this geometry.

        Raises:
            ModelUnavailableError: it cannot be started.
        """
        try:
            if self._process is None:
                await self._start()
            if self._geometry != geometry:
                async with asyncio.timeout(START_S):
                    await self._ask(write_geometry(geometry))
                self._geometry = geometry
        except (OSError, EOFError) as exc:
            self.end()
            message = "No process that reads images could be started; try again in a moment."
            raise ModelUnavailableError(message) from exc

    async def read(self, data: bytes, geometry: Geometry) -> Reading:
        """Read one image.

        Raises:
            UndecodableImageError: it took too long, or ended two processes.
            ModelUnavailableError: no process can be started.
            ProblemError: what else is wrong with it.
        """
        for _ in range(TRIES):
            await self.warm_up(geometry)
            try:
                async with asyncio.timeout(self._limits.decode_timeout_s):
                    head, body = await self._ask(b"", data)
                return read_answer(head, body)
            except TimeoutError as exc:
                self.end()
                took = f"The image took longer than {self._limits.decode_timeout_s:g} s to decode."
                raise UndecodableImageError(f"{took} Send a smaller or simpler one.") from exc
            except (OSError, EOFError):
                self.end()
                _logger.warning("a process that reads images has ended; another takes over")
        message = "The image ends the process that decodes it, so it is taken for corrupt."
        raise UndecodableImageError(message)

    def end(self) -> None:
        """End the process."""
        if self._process is None:
            return
        self._requests.close()
        self._process.kill()
        self._process.wait()
        self._process, self._geometry = None, None

    async def _start(self) -> None:
        """Start a process and connect to it."""
        ours, theirs = socket.socketpair()
        self._answers, self._requests = await asyncio.open_connection(sock=ours)
        number, limits = str(theirs.fileno()), json.dumps(asdict(self._limits))
        with theirs:
            self._process = subprocess.Popen(  # noqa: S603, ASYNC220 - our own, and not waited for
                [sys.executable, "-m", "app.images.worker", number, limits],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
            )

    async def _ask(self, head: bytes, body: bytes = b"") -> tuple[bytes, bytes]:
        """Send one message and wait for its answer; ends the process where nobody waits any more.

        Raises:
            ConnectionError: the answer is to another message.
        """
        self._number += 1
        self._requests.writelines((START.pack(self._number, len(head), len(body)), head, body))
        try:
            start = await self._answers.readexactly(START.size)
            number, head_length, body_length = START.unpack(start)
            if number != self._number:
                raise ConnectionError("An answer came to a message that nobody waits for.")
            answer = await self._answers.readexactly(head_length)
            return answer, await self._answers.readexactly(body_length)
        except asyncio.CancelledError:
            self.end()
            raise
