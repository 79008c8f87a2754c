"""One model behind a queue that local processes fill: its rate in a service, without Ray and HTTP.

Each process sends groups of half a batch over a pipe and keeps some in flight. The model's threads,
one for each slot of its engine, merge groups into batches and send logits back.
"""

import contextlib
import multiprocessing
import queue
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from multiprocessing.connection import Connection

import numpy as np

from app.backend import Group
from app.classifier.model import Model

IN_FLIGHT = 4
"""Groups of one process that are sent and not answered."""

GROUPS = 2
"""In a full batch."""


def feed(pipe: Connection, shape: tuple[int, ...]) -> None:
    """Send random pixels ``[n, height, width, 3]``, and again after each answer."""
    pixels = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8).tobytes()
    with contextlib.suppress(EOFError, OSError):  # until the benchmark ends
        for _ in range(IN_FLIGHT):
            pipe.send_bytes(pixels)
        while pipe.recv_bytes():
            pipe.send_bytes(pixels)


class BatchQueue:
    """Groups of `shape` that wait for the model, with the pipes that they came by."""

    def __init__(self, model: Model, batch: int) -> None:
        self._groups = min(GROUPS, batch)
        self.shape = (batch // self._groups, *model.description.geometry.shape)
        self.images = 0
        self._model = model
        self._waiting: queue.Queue[tuple[Group, Connection]] = queue.Queue()
        self._lock = threading.Lock()

    def receive(self, pipe: Connection) -> None:
        """Put the groups of one process into the queue, until it ends."""
        known = self._model.description
        with contextlib.suppress(EOFError, OSError):
            while data := pipe.recv_bytes():
                pixels = np.frombuffer(data, np.uint8).reshape(self.shape)
                self._waiting.put((Group(pixels, known.revision, known.geometry), pipe))

    def score(self) -> None:
        """Run one batch after another, until the processes have ended."""
        while True:
            taken = [self._waiting.get()]
            with contextlib.suppress(queue.Empty):
                taken += [self._waiting.get_nowait() for _ in range(self._groups - 1)]
            answers = self._model.score([group for group, _ in taken])
            with self._lock, contextlib.suppress(OSError):
                self.images += len(taken) * self.shape[0]
                for (_, pipe), scored in zip(taken, answers, strict=True):
                    pipe.send_bytes(np.asarray(scored.logits).tobytes())


@contextlib.contextmanager
def run_queue(model: Model, batch: int, feeders: int) -> Iterator[BatchQueue]:
    """Start the processes and the model's threads, and end the processes."""
    waiting, context = BatchQueue(model, batch), multiprocessing.get_context("spawn")
    acts: list[Callable[[], None]] = [waiting.score] * model.engine.slots
    processes = []
    for _ in range(feeders):
        mine, theirs = context.Pipe()
        processes.append(context.Process(target=feed, args=(theirs, waiting.shape), daemon=True))
        acts.append(partial(waiting.receive, mine))
    for process in processes:
        process.start()
    for act in acts:
        threading.Thread(target=act, daemon=True).start()
    try:
        yield waiting
    finally:
        for process in processes:
            process.kill()
            process.join()


def measure_queue(model: Model, batch: int, feeders: int, seconds: float) -> float:
    """Return images/s over so many seconds, after as many that do not count."""
    with run_queue(model, batch, feeders) as waiting:
        while not waiting.images:
            time.sleep(0.01)
        time.sleep(seconds)
        images, started = waiting.images, time.perf_counter()
        time.sleep(seconds)
        return (waiting.images - images) / (time.perf_counter() - started)
