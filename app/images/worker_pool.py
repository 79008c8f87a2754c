"""Images are read in worker processes: within a time, and without harm to the service.

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
from dataclasses import asdict, astuple
from functools import lru_cache

from app.backend import Geometry
from app.errors import ModelUnavailableError, UndecodableImageError
from app.images.memory_limit import MALLOC
from app.images.reader import ImageReader, Reading
from app.images.worker import (
    LENGTHS,
    Head,
    pack_message,
    unpack_head,
    unpack_lengths,
    unpack_reading,
)
from app.limits import Limits

START_TIMEOUT_S = 60.0
"""Seconds until a worker must be ready; transformers' own processors take seconds to import."""

MAX_ATTEMPTS = 2
"""Workers that an image is given to: another cause than the image may have ended the first."""

_list_fields = lru_cache(maxsize=2)(astuple)  # it copies deeply, in more time than all the rest

_logger = logging.getLogger("vitrine.prediction")


class ProcessReader:
    """A Reader in as many workers as `limits.readers`, which start with the first `warm_up`.

    A worker that takes longer than `limits.decode_timeout_s` for an image is ended, and the next
    image gets a new one.
    """

    def __init__(self, limits: Limits) -> None:
        self._images = ImageReader(limits)
        self._workers = [_Worker(limits) for _ in range(limits.readers)]
        self._idle: list[_Worker] = []
        self._count_idle = asyncio.Semaphore(0)  # first come, first served, which a Queue is not
        self._reading: set[asyncio.Task[Reading]] = set()
        self._is_warm = False

    async def warm_up(self, geometry: Geometry) -> None:
        """Start the workers for images of this geometry; another one comes with its images.

        Raises:
            ModelUnavailableError: a worker cannot be started.
        """
        if self._is_warm:
            return
        started = (worker.warm_up(geometry) for worker in self._workers)
        for failure in await asyncio.gather(*started, return_exceptions=True):  # waits for all
            if failure is not None:
                raise failure
        self._is_warm = True
        for worker in self._workers:
            self._add_idle(worker)

    async def read(self, data: bytes, geometry: Geometry) -> Reading:
        """Read one encoded image, a small one in this process; raises ProblemError.

        An image whose caller is cancelled before a worker is idle is not read.
        """
        image = self._images.open_inline(data, geometry)
        if image is not None:
            return self._images.read(image, geometry)
        await self._count_idle.acquire()
        worker = self._idle.pop()
        task = asyncio.create_task(worker.read(data, geometry))
        self._reading.add(task)
        task.add_done_callback(self._reading.discard)
        task.add_done_callback(lambda _: self._add_idle(worker))
        return await asyncio.shield(task)  # a cancelled caller leaves the answer to be read

    def _add_idle(self, worker: "_Worker") -> None:
        """Let a worker have the next image."""
        self._idle.append(worker)
        self._count_idle.release()

    def close(self) -> None:
        """End the workers."""
        for worker in self._workers:
            worker.end()


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
        """Make sure that the process was started and is ready for this geometry.

        Raises:
            ModelUnavailableError: it cannot be started.
        """
        try:
            if self._process is None:
                await self._start()
            if self._geometry != geometry:
                async with asyncio.timeout(START_TIMEOUT_S):
                    await self._ask(geometry)
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
        for _ in range(MAX_ATTEMPTS):
            await self.warm_up(geometry)
            try:
                async with asyncio.timeout(self._limits.decode_timeout_s):
                    return unpack_reading(*await self._ask(geometry, data), geometry)
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
        command = [sys.executable, "-m", "app.images.worker", json.dumps(asdict(self._limits))]
        path = os.pathsep.join(filter(None, sys.path))
        environment = {**os.environ, **MALLOC, "PYTHONPATH": path}
        try:
            self._process = subprocess.Popen(command, stdin=theirs.fileno(), env=environment)  # noqa: S603, ASYNC220 - our own, and not waited for
        except OSError:
            self._requests.close()
            raise
        finally:
            theirs.close()

    async def _ask(self, geometry: Geometry, image: bytes | None = None) -> tuple[Head, bytes]:
        """Send one message and wait for its answer; ends the process if cancelled.

        Raises:
            OSError: the process has ended, or gave no answer to this message.
            EOFError: the process has ended.
        """
        self._number += 1
        head = self._number, _list_fields(geometry), image is not None
        self._requests.writelines(pack_message(head, image or b""))
        try:
            start = await self._answers.readexactly(LENGTHS.size)
            lengths = unpack_lengths(start, geometry)
            packed, body = [await self._answers.readexactly(length) for length in lengths]
            number, *answer = unpack_head(packed) or (None,)
            if number != self._number:
                raise ConnectionError("The answer is to another message.")
            return tuple(answer), body
        except asyncio.CancelledError:
            self.end()
            raise
