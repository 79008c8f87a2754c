"""Flame graphs of a running service: py-spy records its processes, all at the same time."""

import logging
import os
import re
import shutil
import subprocess
import sysconfig
import tempfile
import threading
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

from app.errors import ProfileError
from app.standalone.profile_targets import Target, find_targets

SECONDS = 10
"""For which is recorded, unless it is told."""

RATE = 100
"""Samples a second, unless it is told."""

PATIENCE_S = 30
"""Seconds beyond the recording that py-spy may take: it also starts and draws."""

_MORE = {"ingress": ("--gil",)}
"""What py-spy is told of a kind of process. An ingress is one event loop, which is busy while it
holds the interpreter lock; its threads that wait would be half of the graph. The others work in C
code, without the lock. Never `--nonblocking`: what is read meanwhile may be any bytes of memory."""

_SAMPLES, _ERROR = re.compile(r"Samples: (\d+)"), re.compile(r"^Error: (.*)", re.MULTILINE)
_FORBIDDEN = (
    "this user may not look into it. Run as root, set the kernel's yama.ptrace_scope to 0, or give "
    "the container the capability SYS_PTRACE"
)
_running = threading.Lock()
_logger = logging.getLogger("vitrine.profile")


class Profile(NamedTuple):
    """What came of recording a process.

    Attributes:
        target: the process.
        file: its flame graph; None where there is none.
        about: how many samples it has, or why there is none.
    """

    target: Target
    file: Path | None
    about: str


def record_profiles(
    targets: Sequence[Target], folder: Path, seconds: int = SECONDS, rate: int = RATE
) -> list[Profile]:
    """Record a flame graph of each process.

    Args:
        targets: the processes.
        folder: for the files; made if it is not there.
        seconds: to record for.
        rate: samples a second.

    Raises:
        ProfileError: py-spy is not installed, or the folder cannot be made.
    """
    program = _find_program()
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as exc:
        raise ProfileError(f"{folder} cannot be made: {exc.strerror}. Choose another.") from exc
    options = ["--duration", str(seconds), "--rate", str(rate)]
    with ExitStack() as stack:
        started = []
        for target in targets:
            file = folder / f"{target.kind}-{target.pid}.svg"
            more = ["--pid", str(target.pid), "--output", str(file), *_MORE.get(target.kind, ())]
            command = [program, "record", *options, *more]
            recorder = subprocess.Popen(  # noqa: S603 - py-spy, and numbers
                command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
            )
            stack.callback(recorder.kill)
            started.append((target, file, recorder))
        return [_finish(*one, seconds + PATIENCE_S) for one in started]


def profile_service(pid: int) -> None:
    """Profile the service of a process into a new folder, and log where it is; one at a time."""
    if not _running.acquire(blocking=False):
        _logger.warning("no second profile: one is being recorded")
        return
    try:
        targets = find_targets(pid)
        folder = Path(tempfile.mkdtemp(prefix="vitrine-profile-"))
        text = "profiling %d processes for %d s into %s"
        _logger.info(text, len(targets), SECONDS, folder)
        for profile in record_profiles(targets, folder):
            _logger.info("%s %d: %s", profile.target.kind, profile.target.pid, profile.about)
        _logger.info("profiled into %s", folder)
    except ProfileError as exc:
        _logger.warning("no profile: %s", exc)
    finally:
        _running.release()


def _find_program() -> str:
    """Find py-spy beside Python or on PATH."""
    path = os.pathsep.join((sysconfig.get_path("scripts"), os.environ.get("PATH", "")))
    program = shutil.which("py-spy", path=path)
    if program is None:
        raise ProfileError("py-spy is not installed. Run: pip install 'vitrine[profile]'")
    return program


def _finish(
    target: Target, file: Path, recorder: "subprocess.Popen[str]", timeout_s: float
) -> Profile:
    """Wait for a recording; without one there is no file, but a reason."""
    try:
        said, _ = recorder.communicate(timeout=timeout_s)
    except subprocess.TimeoutExpired:
        said = "Error: py-spy took too long"
    if recorder.returncode == 0 and (samples := _SAMPLES.search(said)):
        return Profile(target, file, f"{samples[1]} samples")
    file.unlink(missing_ok=True)
    return Profile(target, None, _find_reason(said))


def _find_reason(said: str) -> str:
    """Find in py-spy's output why it wrote nothing."""
    if "No stack counts found" in said:
        return "it was idle, so there are no samples"
    if "permission denied" in said.lower() or "not permitted" in said.lower():
        return _FORBIDDEN
    error = _ERROR.search(said)
    return error[1] if error else "py-spy has failed"
