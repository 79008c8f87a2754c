"""Hands the parts of a job to Ray Data's actors, in a thread, and counts what they have done."""

import queue
import re
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import ray
from ray.data import ActorPoolStrategy
from ray.exceptions import RayError
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from app.errors import StartupError
from app.scoring.board import Board
from app.scoring.job import Job
from app.scoring.options import ScoreOptions
from app.scoring.part_scorer import PartScorer, Task
from app.scoring.pool import Pool, plan_pool
from app.scoring.progress import Progress
from app.settings import Settings


class Dispatch:
    """The parts that are being scored.

    Args:
        settings: of the model and the limits.
        options: of the command.
        job: whose pending parts are to be scored.
    """

    def __init__(self, settings: Settings, options: ScoreOptions, job: Job) -> None:
        nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]
        parts = tuple(job.pending)
        pool = plan_pool(nodes, len(parts), uses_gpu=settings.device != "cpu")
        self._board = _start_board(pool.actors)
        task = Task(settings, job.revision, options, job.folder, pool.sharing, self._board)
        self._done: queue.Queue[Done] = queue.Queue()
        act = threading.Thread(target=self._run, args=(task, pool, parts), daemon=True)
        act.start()

    def wait(self, seconds: float) -> "Done | None":
        """Wait for the next part that is done; None where none is by then."""
        try:
            return self._done.get(timeout=seconds)
        except queue.Empty:
            return None

    def read_progress(self) -> Progress:
        """Read how many images were scored; raises StartupError."""
        try:
            found: Progress = ray.get(self._board.read.remote())
        except RayError as exc:
            raise StartupError(f"Ray has ended: {_describe(exc)}") from exc
        return found

    def _run(self, task: Task, pool: Pool, parts: Sequence[int]) -> None:
        """Run the parts; the last message is that all are done, or why not."""
        rows = [{"part": part} for part in parts]
        try:
            numbers = ray.data.from_items(rows, override_num_blocks=len(rows))
            done = numbers.map_batches(
                PartScorer,
                fn_constructor_args=(task,),
                batch_size=1,
                compute=ActorPoolStrategy(size=pool.actors),
                num_cpus=pool.cpus,
                num_gpus=pool.gpus,
            )
            for row in done.iter_rows():
                self._done.put(Done(row["part"], row["failure"]))
        except RayError as exc:
            self._done.put(Done(-1, f"Ray has stopped: {_describe(exc)}"))
        finally:  # nobody reads it once all parts are done
            self._done.put(Done(-1, "Ray has stopped before all parts were done"))


@dataclass(frozen=True, slots=True)
class Done:
    """A part that is done, or why the job must stop.

    Attributes:
        part: its number.
        failure: why the job must stop; empty where it goes on.
    """

    part: int
    failure: str


def _start_board(actors: int) -> Any:  # noqa: ANN401 - Ray has no types
    """Start the board on the node of the command: that of another may go, and the job goes on."""
    here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)
    return ray.remote(num_cpus=0, scheduling_strategy=here)(Board).remote(actors)


def _describe(failure: RayError) -> str:
    """Describe a failure of Ray in one line: the first error that its text names."""
    text = str(failure)
    found = re.search(r"^[\w.]*(Error|Exception|Exit)\b: .*", text, re.MULTILINE)
    return (found[0] if found else text.strip().partition("\n")[0])[:300]
