"""The processes of a server as /proc shows them: who they are, what memory they hold.

Knows no server by name. Linux only, so that no package is needed for it.
"""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

PROC = Path("/proc")
PARENT, SESSION, STARTED = 1, 3, 19  # places in /proc/<pid>/stat, counted after the name


@dataclass(frozen=True)
class Process:
    """One process; pid and start time together are never used twice."""

    pid: int
    parent: int
    session: int
    started: int


@dataclass(frozen=True)
class Memory:
    """Resident memory of one process in MB; pss shares pages fairly, so only pss adds up."""

    title: str
    rss_mb: float
    pss_mb: float

    def as_dict(self) -> dict[str, str | float]:
        """Return the fields as JSON has them."""
        return asdict(self)


def read_text(path: Path) -> str:
    """Return the text of a file of /proc, empty when its process is gone."""
    try:
        return path.read_text(errors="replace")
    except (FileNotFoundError, ProcessLookupError, PermissionError):
        return ""


def list_processes() -> Iterator[Process]:
    """Yield every live process; a dead one that nobody has waited for is not live."""
    for folder in PROC.iterdir():
        words = (
            read_text(folder / "stat").rpartition(")")[2].split() if folder.name.isdigit() else []
        )
        if words and words[0] not in "ZX":
            numbers = (int(words[place]) for place in (PARENT, SESSION, STARTED))
            yield Process(int(folder.name), *numbers)


def find_tree(root: int) -> set[Process]:
    """Return the root, its descendants and all that share its session, orphans too."""
    alive = list(list_processes())
    found = {process for process in alive if root in {process.pid, process.session}}
    size = -1
    while size != len(found):
        size = len(found)
        pids = {process.pid for process in found}
        found |= {process for process in alive if process.parent in pids}
    return found


def find_alive(processes: set[Process]) -> set[Process]:
    """Return those that still run, whoever is their parent by now."""
    alive = {(process.pid, process.started) for process in list_processes()}
    return {process for process in processes if (process.pid, process.started) in alive}


def read_title(pid: int) -> str:
    """Return a short title without paths: ``ray::...``, ``python -m app.cli.main`` or a program."""
    words = read_text(PROC / str(pid) / "cmdline").strip("\0 ").split("\0")
    if words[0].startswith("ray::"):
        return words[0].strip()
    script = next((word for word in words[1:] if word.endswith(".py")), "")
    module = words[words.index("-m") + 1] if "-m" in words[:-1] else ""
    names = [Path(words[0]).name, Path(script).name, f"-m {module}" if module else ""]
    return " ".join(name for name in names if name)


def read_memory(process: Process) -> Memory:
    """Return what one process holds now."""
    lines = read_text(PROC / str(process.pid) / "smaps_rollup").splitlines()[1:]
    sizes = {line.split(":")[0]: int(line.split()[1]) / 1024 for line in lines}
    rss, pss = sizes.get("Rss", 0.0), sizes.get("Pss", 0.0)
    return Memory(read_title(process.pid), round(rss, 1), round(pss, 1))


def measure_memory(root: int) -> list[Memory]:
    """Return the memory of every process of the tree, the largest first."""
    memories = [read_memory(process) for process in find_tree(root)]
    return sorted(memories, key=lambda memory: -memory.rss_mb)
