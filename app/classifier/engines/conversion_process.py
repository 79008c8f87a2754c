"""A process that converts a checkpoint and ends, with torch and transformers in its memory alone.

What to convert goes in, and log lines and what was raised come back: one JSON value a line. It
knows no cache: who starts it has decided that there is something to convert, and where to.
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

from pydantic import TypeAdapter

from app.classifier.checkpoint.files import Checkpoint
from app.classifier.engines.engine import Precision
from app.errors import CheckpointError, ConversionError, SettingsError, StartupError

_KINDS = (StartupError, SettingsError, CheckpointError, ConversionError, MemoryError, OSError)
_ERRORS: Mapping[str, type[Exception]] = {error.__name__: error for error in _KINDS}
"""What comes back as it was raised, or as the nearest class above it."""

_FIX = "VITRINE_ENGINE=torch does without it."

_JOB = TypeAdapter(tuple[Checkpoint, Precision, Path])


def run_conversion(checkpoint: Checkpoint, precision: Precision, folder: Path) -> None:
    """Convert a checkpoint in a process of its own, or here where torch is loaded already.

    Args:
        checkpoint: what to convert.
        precision: of the engine; `int8` for the processor of a quantized checkpoint alone.
        folder: for the files.

    Raises:
        OSError: the files cannot be written.
        StartupError: as `conversion.convert`, or the process has ended without an answer.
        MemoryError: there is too little memory.
    """
    if "torch" in sys.modules:
        from app.classifier.engines.conversion import convert  # noqa: PLC0415 - heavy

        convert(checkpoint, precision, folder)
        return
    try:
        with _start_process(_JOB.dump_json((checkpoint, precision, folder))) as process:
            error = _read_error(process)
            code = process.wait()  # before its standard input is closed
    except (OSError, ValueError) as exc:  # ValueError: a path that is not UTF-8
        message = f"No process that converts {checkpoint.folder} could be started: {exc}."
        raise StartupError(f"{message} {_FIX}") from exc
    if error is not None:
        raise error
    if code != 0:
        how = f"signal {-code}; was there too little memory?" if code < 0 else f"exit code {code}."
        raise StartupError(f"The process that converts {checkpoint.folder} has ended: {how} {_FIX}")


def _start_process(job: bytes) -> "subprocess.Popen[bytes]":
    """Start the process; it ends early when its standard input, which stays ours, is closed."""
    command = [sys.executable, "-P", "-m", __name__]  # -P: no code of the current folder
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    process = subprocess.Popen(  # noqa: S603 - our own
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment
    )
    assert process.stdin is not None  # noqa: S101 - it is a pipe
    with contextlib.suppress(BrokenPipeError):  # it has ended, and its exit code tells why
        process.stdin.write(job + b"\n")
        process.stdin.flush()
    return process


def _read_error(process: "subprocess.Popen[bytes]") -> Exception | None:
    """Pass log lines on until the process ends; returns what it raised."""
    error: Exception | None = None
    for line in process.stdout or ():
        try:
            answer = json.loads(line)
        except ValueError:  # the process was killed while it wrote
            break
        if "error" in answer:
            error = _ERRORS[answer["error"]](answer["message"])
        else:
            logging.getLogger(answer["logger"]).log(answer["level"], "%s", answer["message"])
    return error


class _LineHandler(logging.Handler):
    """Writes log records as lines for `_read_error`."""

    def __init__(self, output: TextIO) -> None:
        super().__init__()
        self._output = output

    def emit(self, record: logging.LogRecord) -> None:
        """Write one record."""
        values = {"logger": record.name, "level": record.levelno, "message": record.getMessage()}
        print(json.dumps(values), file=self._output, flush=True)


def main() -> None:
    """Run the conversion that comes first."""
    output = os.fdopen(os.dup(sys.stdout.fileno()), "w")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # what a library prints is no answer
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the process that waits for it gets it too
    job = _JOB.validate_json(sys.stdin.buffer.readline())
    threading.Thread(target=_end_with_parent, daemon=True).start()
    logger = logging.getLogger("vitrine")
    logger.setLevel(logging.DEBUG)
    logger.addHandler(_LineHandler(output))
    from app.classifier.engines.conversion import convert  # noqa: PLC0415 - heavy

    try:
        convert(*job)
    except _KINDS as exc:
        error = next(cls.__name__ for cls in type(exc).__mro__ if cls.__name__ in _ERRORS)
        print(json.dumps({"error": error, "message": str(exc)}), file=output, flush=True)


def _end_with_parent() -> None:
    """End when the other end of standard input is closed."""
    os.read(sys.stdin.fileno(), 1)
    os._exit(1)


if __name__ == "__main__":
    main()
