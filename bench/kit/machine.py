"""What the benchmark ran on and beside: processor, load, versions. No names of hosts or users."""

import os
import platform
import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from bench.compare.peers import LITSERVE_PINS
from bench.kit.servers import ROOT

PACKAGES = ("ray", "fastapi", "torch", "transformers", "pillow", "uvicorn", "uvloop", "httptools")


def read_processor() -> str:
    """Return the name of the processor."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    names = [line.split(":")[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def find_version(package: str) -> str | None:
    """Return the version installed beside this benchmark, nothing when it is not."""
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def read_pins() -> dict[str, str]:
    """Return the versions that LitServe's venv is made from."""
    lines = LITSERVE_PINS.read_text().split()
    return dict(line.split("==") for line in lines)


def read_revision() -> str | None:
    """Return the commit that is checked out, marked when files differ from it."""
    command = ("git", "-C", ROOT, "describe", "--always", "--dirty")
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.stdout.strip() or None


def read_steal() -> tuple[int, int]:
    """Return the ticks that other machines took from this one since boot, and all ticks."""
    ticks = [int(word) for word in Path("/proc/stat").read_text().split("\n")[0].split()[1:9]]
    return ticks[7], sum(ticks)


def describe_machine() -> dict[str, object]:
    """Return what the JSON document says about where it was measured."""
    return {
        "platform": platform.platform(),
        "processor": read_processor(),
        "cpus": len(os.sched_getaffinity(0)),
        "load_average_before": [round(value, 2) for value in os.getloadavg()],
        "python": platform.python_version(),
        "vitrine": read_revision(),
        "packages": {name: find_version(name) for name in PACKAGES},
        "litserve_packages": read_pins(),
    }
