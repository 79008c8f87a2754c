"""The peers, with the settings that docs/performance-method.md gives reasons for."""

import signal
import subprocess
import sys

from app.machine import count_cores
from bench.kit.models import Checkpoint
from bench.kit.servers import Server
from tests.support.ports import find_port
from tests.support.service import ROOT

LITSERVE_VENV = ROOT / "bench" / ".venv-litserve"
LITSERVE_PINS = ROOT / "bench" / "compare" / "requirements-litserve.txt"


def make_peer(name: str, python: str, checkpoint: Checkpoint, workers: int = 1) -> Server:
    """Return a peer run by that Python, with the threads that its model is fastest on.

    Ctrl+C is the documented end of both; how long it takes is no part of the comparison.
    """
    port, threads = find_port(), 1 if checkpoint.is_small else count_cores() // workers
    module = f"bench.compare.{name.partition('-')[0]}_server"
    numbers = {"--port": port, "--threads": threads, "--workers": workers}
    flags = (str(word) for pair in numbers.items() for word in pair)
    command = (python, "-m", module, "--checkpoint", str(checkpoint.folder), *flags)
    return Server(name, command, port, stop_signal=signal.SIGINT, stop_limit_s=3.0)


def make_litserve(checkpoint: Checkpoint) -> list[Server]:
    """Return LitServe with one worker and with one for each core; makes its venv if missing."""
    install_litserve()
    python = str(LITSERVE_VENV / "bin" / "python")
    counts = sorted({1, count_cores()})
    return [make_peer(f"litserve-{count}", python, checkpoint, count) for count in counts]


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
