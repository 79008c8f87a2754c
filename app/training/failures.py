"""What a failure of a run means to its user, in one line: of a disk, of Ray, or of a worker."""

import errno
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from safetensors import SafetensorError

from app.errors import SettingsError, StartupError

FULL = ("No space left on device", "OutOfDiskError", "PytorchStreamWriter", "unexpected pos")
"""Words of errors that mean a full disk; the last two are torch.save's."""


@contextmanager
def explain_failures() -> Iterator[None]:
    """Run what may fail for a disk or in Ray.

    Raises:
        StartupError: it failed.
    """
    try:
        yield
    except _list_errors() as exc:
        raise explain_failure(exc, "The run failed") from exc


def explain_failure(failure: BaseException, what: str) -> StartupError:
    """Say in one line why something failed, and what to do.

    Args:
        failure: as it was caught; those that it came of are looked through, too.
        what: failed; the beginning of the line where the reason is none of the usual ones.
    """
    causes = _list_causes(failure)
    if own := [one for one in causes if isinstance(one, StartupError)]:
        return own[-1]  # behind Ray's, which is one of ours, too, but has many lines
    text = " ".join(f"{type(one).__name__}: {one}" for one in causes)
    if _is_full(causes) or any(words in text for words in FULL):
        message = (
            "The disk is full: that of --out, or of TMPDIR. Make room, and run the same command: "
            "it goes on."
        )
        return SettingsError(message)
    if "out of memory" in text.lower() or "OutOfMemoryError" in text:
        message = (
            "A worker had too little memory. Give a smaller --batch-size, or --accumulate, and "
            "another --out."
        )
        return SettingsError(message)
    if "WorkerGroupStartupTimeoutError" in text:
        message = (
            "The cluster has no room for the workers. Give fewer --workers, or wait until others "
            "have left it; the same command goes on."
        )
        return SettingsError(message)
    reason = _find_reason(causes).rstrip(".")
    return StartupError(f"{what}: {reason}. Run the same command to go on.")


def _find_reason(causes: list[BaseException]) -> str:
    """Find the last line of the innermost failure that has one."""
    for one in reversed(causes):
        if lines := [line.strip() for line in str(one).splitlines() if line.strip()]:
            return lines[-1]
    return type(causes[-1]).__name__


def _list_errors() -> tuple[type[Exception], ...]:
    """List what is explained; Ray's own where it is loaded, which must come after its settings."""
    if "ray" not in sys.modules:
        return OSError, SafetensorError
    from ray.exceptions import RayError  # noqa: PLC0415

    return OSError, SafetensorError, RayError


def _list_causes(failure: BaseException) -> list[BaseException]:
    """List an error and what it came of, on whatever worker."""
    found = [failure]
    for one in found:
        failures = getattr(one, "worker_failures", {}).values()
        inner = (
            *failures,
            getattr(one, "controller_failure", None),
            getattr(one, "cause", None),
            one.__cause__,
        )
        found += [e for e in inner if isinstance(e, BaseException) and e not in found]
    return found


def _is_full(causes: list[BaseException]) -> bool:
    """Tell whether a disk is full."""
    full = {errno.ENOSPC, errno.EDQUOT}
    return any(isinstance(one, OSError) and one.errno in full for one in causes)
