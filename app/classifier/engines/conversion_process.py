"""A process that converts a checkpoint and ends, with torch and transformers in its memory alone.

A job goes in, and log lines and then the outcome come back: one JSON object a line.
"""

import contextlib
import json
import logging
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import TextIO

from pydantic import BaseModel, ConfigDict

from app.classifier.cache.model_cache import open_entry
from app.classifier.checkpoint.files import Checkpoint
from app.classifier.engines.engine import Precision
from app.errors import CheckpointError, ConversionError, SettingsError, StartupError

_ERRORS: Mapping[str, type[Exception]] = {
    error.__name__: error
    for error in (StartupError, SettingsError, CheckpointError, ConversionError, MemoryError)
}
"""What comes back as it was raised."""


class Job(BaseModel):
    """What to convert, and where to.

    Attributes:
        checkpoint: what to convert.
        precision: of the engine; `int8` for the processor of a quantized checkpoint alone.
        cache: folder of the cache; None for none.
        spare: folder for what is not kept; None where nobody would read that.
    """

    model_config = ConfigDict(frozen=True)

    checkpoint: Checkpoint
    precision: Precision
    cache: Path | None
    spare: Path | None


def run_job(job: Job) -> Path:
    """Convert in a process of its own, or here where torch is loaded already.

    Returns:
        The folder of the converted model.

    Raises:
        StartupError: as `conversion.convert`, or the process has ended without an answer.
        MemoryError: there is too little memory.
    """
    if "torch" in sys.modules:
        from app.classifier.engines.conversion import convert  # noqa: PLC0415 - heavy

        return convert(job)
    try:
        with start_process(job, subprocess.PIPE) as process:
            outcome = _read_outcome(process)
    except OSError as exc:
        message = f"No process that converts {job.checkpoint.folder} could be started: {exc}."
        raise StartupError(f"{message} VITRINE_ENGINE=torch does without it.") from exc
    if "folder" in outcome:
        return Path(outcome["folder"])
    if error := _ERRORS.get(outcome.get("error", "")):
        raise error(outcome["message"])
    code = process.returncode
    how = f"signal {-code}; was there too little memory?" if code < 0 else f"exit code {code}"
    message = f"The process that converts {job.checkpoint.folder} has ended: {how}"
    raise StartupError(f"{message} VITRINE_ENGINE=torch does without it.")


def run_job_ahead(job: Job) -> None:
    """Start a job for the cache. The classifier waits for it, and runs one that failed again."""
    with contextlib.suppress(OSError):
        process = start_process(job, subprocess.DEVNULL, subprocess.DEVNULL)
        threading.Thread(target=_wait, args=(process,), daemon=True).start()


def _wait(process: "subprocess.Popen[bytes]") -> None:
    """Wait for the process, and only then close its standard input."""
    process.wait()
    with process:
        pass


def start_process(job: Job, output: int, errors: int | None = None) -> "subprocess.Popen[bytes]":
    """Start the process; it ends early when its standard input, which stays ours, is closed.

    Args:
        job: what to convert.
        output: `subprocess.PIPE` for its lines, or `subprocess.DEVNULL`.
        errors: None for our own standard error, or `subprocess.DEVNULL`.
    """
    command = [sys.executable, "-m", __name__]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    process = subprocess.Popen(  # noqa: S603 - our own
        command, stdin=subprocess.PIPE, stdout=output, stderr=errors, env=environment
    )
    assert process.stdin is not None  # noqa: S101 - it is a pipe
    with contextlib.suppress(BrokenPipeError):  # it has ended, and its output tells why
        process.stdin.write(job.model_dump_json().encode() + b"\n")
        process.stdin.flush()
    return process


def _read_outcome(process: "subprocess.Popen[bytes]") -> dict[str, str]:
    """Pass log lines on until the outcome comes; returns {} where the process has ended first."""
    for line in process.stdout or ():
        answer = json.loads(line)
        if "logger" not in answer:
            return dict(answer)
        logging.getLogger(answer["logger"]).log(answer["level"], "%s", answer["message"])
    return {}


class _LineHandler(logging.Handler):
    """Writes log records as lines for `_read_outcome`."""

    def __init__(self, output: TextIO) -> None:
        super().__init__()
        self._output = output

    def emit(self, record: logging.LogRecord) -> None:
        """Write one record."""
        values = {"logger": record.name, "level": record.levelno, "message": record.getMessage()}
        print(json.dumps(values), file=self._output, flush=True)


def main() -> None:
    """Run the job that comes first."""
    output = os.fdopen(os.dup(sys.stdout.fileno()), "w")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # what a library prints is no answer
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the process that waits for it gets it too
    job = Job.model_validate_json(sys.stdin.buffer.readline())
    threading.Thread(target=_end_with_parent, daemon=True).start()
    logger = logging.getLogger("vitrine")
    logger.setLevel(logging.DEBUG)
    logger.addHandler(_LineHandler(output))
    try:
        outcome = {"folder": str(_find_or_convert(job))}
    except tuple(_ERRORS.values()) as exc:
        outcome = {"error": type(exc).__name__, "message": str(exc)}
    print(json.dumps(outcome), file=output, flush=True)


def _find_or_convert(job: Job) -> Path:
    """Wait for a process that is converting, and load torch only if it kept nothing."""
    entry = open_entry(job.cache, job.checkpoint, job.precision)
    if entry is not None:
        with entry.locked():
            found = entry.read()
        if found is not None:
            return found.folder
    from app.classifier.engines.conversion import convert  # noqa: PLC0415 - heavy

    return convert(job)


def _end_with_parent() -> None:
    """End when the other end of standard input is closed."""
    os.read(sys.stdin.fileno(), 1)
    os._exit(1)


if __name__ == "__main__":
    main()
