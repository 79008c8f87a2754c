"""What scenarios give, and what they share."""

import contextlib
from typing import Any

from bench.kit.images import make_picture
from bench.kit.models import find_checkpoint
from bench.kit.processes import PROC, find_tree, read_text
from bench.kit.servers import Server, make_vitrine

Row = dict[str, Any]
"""What a scenario saw, its `target`, and whether that was `reached`."""

PICTURE = make_picture("png")


def name_vitrine(model: str = "digits", **settings: str) -> Server:
    """Return Vitrine with settings such as `max_queue="64"`."""
    variables = {f"VITRINE_{name.upper()}": value for name, value in settings.items()}
    return make_vitrine(find_checkpoint(model).folder, variables)


class Growth:
    """What the processes of a server have grown by at their peaks since this was made.

    One that has begun since counts whole; one that has ended meanwhile is not seen.
    """

    def __init__(self, root: int) -> None:
        self._root = root
        self._before: dict[int, int] = {}
        for process in find_tree(root):
            with contextlib.suppress(OSError):
                (PROC / str(process.pid) / "clear_refs").write_text("5")  # the peak is now
                self._before[process.pid] = read_peak(process.pid)

    def read(self) -> float:
        """Return the most that any process has grown by, MB."""
        pids = [process.pid for process in find_tree(self._root)]
        grown = [read_peak(pid) - self._before.get(pid, 0) for pid in pids]
        return round(max(0, *grown) / 1024, 1)


def read_peak(pid: int) -> int:
    """Return the most memory that a process has had resident, in KiB; 0 when it is gone."""
    lines = read_text(PROC / str(pid) / "status").splitlines()
    return next((int(line.split()[1]) for line in lines if line.startswith("VmHWM")), 0)
