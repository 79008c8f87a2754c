"""One worker process and the connection to it; a new process after one has ended."""

import asyncio
import json
import os
import socket
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import asdict, astuple
from functools import lru_cache
from typing import BinaryIO

from app.backend import Geometry
from app.errors import ModelUnavailableError
from app.images.memory_limit import MALLOC
from app.images.workers.messages import (
    LENGTHS,
    Outcome,
    pack_message,
    unpack_answer,
    unpack_head,
    unpack_lengths,
)
from app.limits import Limits

WORKER = "app.images.workers.worker"
"""The module that a worker runs."""

START_TIMEOUT_S = 60.0
"""Seconds until a worker must be ready; transformers' own processors take seconds to import."""

_list_fields = lru_cache(maxsize=2)(astuple)  # it copies deeply, in more time than all the rest


class WorkerProcess:
    """Reads groups of images, one group at a time.

    Attributes:
        position: index in its group of the image that the process was reading when it ended. Only
            a hint: what reads a hostile image may write any number from 0 to 255.
    """

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._process: subprocess.Popen[bytes] | None = None
        self._geometry: Geometry | None = None
        self._number = 0
        self.position = 0
        self._progress: BinaryIO
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
                    await self._ask(geometry, ())
                self._geometry = geometry
        except (OSError, EOFError) as exc:  # TimeoutError is an OSError
            message = "No process that reads images could be started; try again in a moment."
            raise ModelUnavailableError(message) from exc

    async def read(
        self, images: Sequence[bytes], geometry: Geometry, timeout_s: float
    ) -> tuple[list[Outcome], float]:
        """Read a group of images, which must be ready within a time; the process ends otherwise.

        Returns:
            What became of the first images, all of them where they took no longer than GROUP_S, and
            the seconds of CPU that they took.

        Raises:
            TimeoutError: they took too long.
            OSError: the process has ended, or gave no answer to this message.
            EOFError: the process has ended.
            ModelUnavailableError: no process can be started.
        """
        await self.warm_up(geometry)
        async with asyncio.timeout(timeout_s):
            return await self._ask(geometry, images)

    def end(self) -> None:
        """End the process."""
        if self._process is None:
            return
        self._requests.close()
        self._process.kill()
        self._process.wait()
        with self._progress as progress:
            self.position = int.from_bytes(os.pread(progress.fileno(), 1, 0))
        self._process, self._geometry = None, None

    async def _start(self) -> None:
        """Start a process and connect to it."""
        ours, theirs = socket.socketpair()
        self._answers, self._requests = await asyncio.open_connection(sock=ours)
        path = os.pathsep.join(filter(None, sys.path))
        environment = {**os.environ, **MALLOC, "PYTHONPATH": path}
        # -P: no code of the current folder
        command = [sys.executable, "-P", "-m", WORKER, json.dumps(asdict(self._limits))]
        try:
            self._progress = tempfile.TemporaryFile()  # noqa: SIM115 - it is closed in `end`
            progress = self._progress.fileno()
            self._process = subprocess.Popen(  # noqa: S603, ASYNC220 - our own, and not waited for
                [*command, str(progress)],
                stdin=theirs.fileno(),
                env=environment,
                pass_fds=[progress],
            )
        except OSError:
            self._requests.close()
            raise
        finally:
            theirs.close()

    async def _ask(
        self, geometry: Geometry, images: Sequence[bytes]
    ) -> tuple[list[Outcome], float]:
        """Send one message and wait for its answer; ends the process where there is none.

        Raises:
            OSError: the process has ended, or gave no answer to this message.
            EOFError: the process has ended.
        """
        self._number += 1
        head = self._number, _list_fields(geometry), [len(image) for image in images]
        self._requests.writelines(pack_message(head, *images))
        with ExitStack() as failed:
            failed.callback(self.end)  # the next message would get this one's answer
            start = await self._answers.readexactly(LENGTHS.size)
            lengths = unpack_lengths(start, geometry, len(images))
            packed, body = [await self._answers.readexactly(length) for length in lengths]
            head = unpack_head(packed)
            outcomes = unpack_answer(head, body, geometry, self._number, len(images))
            failed.pop_all()
        return outcomes
