"""The peers: LitServe from its own venv, FastAPI with uvicorn from ours.

Owns their settings, which docs/performance-method.md gives reasons for. Knows no load.
"""

import signal
import subprocess
import sys

from app.machine import count_cores
from bench.kit.models import Checkpoint
from bench.kit.servers import ROOT, Server
from tests.support.ports import find_port

LITSERVE_VENV = ROOT / "bench" / ".venv-litserve"
LITSERVE_PINS = ROOT / "bench" / "compare" / "requirements-litserve.txt"


def choose_threads(checkpoint: Checkpoint) -> int:
    """Return torch's threads: a small model is slower on several than on one, a large one not."""
    return 1 if checkpoint.is_small else count_cores()


def choose_workers(checkpoint: Checkpoint) -> int:
    """Return LitServe's workers: several for a small model, each with one thread, else one."""
    return count_cores() if checkpoint.is_small else 1


def make_peer(name: str, python: str, checkpoint: Checkpoint, *more: str) -> Server:
    """Return a peer run by that Python.

    Ctrl+C is the end that both document; how long it takes is no part of the comparison.
    """
    port = find_port()
    script = str(ROOT / "bench" / "compare" / f"{name}_server.py")
    flags = ("--checkpoint", str(checkpoint.folder), "--port", str(port))
    threads = ("--threads", str(choose_threads(checkpoint)))
    command = (python, script, *flags, *threads, *more)
    return Server(name, command, port, stop_signal=signal.SIGINT, stop_limit_s=3.0)


def make_litserve(checkpoint: Checkpoint) -> Server:
    """Return LitServe; its venv is made where it is missing."""
    install_litserve()
    workers = ("--workers", str(choose_workers(checkpoint)))
    return make_peer("litserve", str(LITSERVE_VENV / "bin" / "python"), checkpoint, *workers)


def make_fastapi(checkpoint: Checkpoint) -> Server:
    """Return plain FastAPI with uvicorn: the versions that Vitrine runs on."""
    return make_peer("fastapi", sys.executable, checkpoint)


def install_litserve() -> None:
    """Make the venv of LitServe, unless it is there and was made from the same pins."""
    pins, made_from = LITSERVE_PINS.read_text(), LITSERVE_VENV / "pins.txt"
    if made_from.exists() and made_from.read_text() == pins:
        return
    print("installing LitServe into its own venv, once", file=sys.stderr)
    subprocess.run((sys.executable, "-m", "venv", "--clear", LITSERVE_VENV), check=True)
    python = LITSERVE_VENV / "bin" / "python"
    install = (python, "-m", "pip", "install", "--quiet", "-r", LITSERVE_PINS)
    subprocess.run(install, check=True, stdout=sys.stderr)
    made_from.write_text(pins)
