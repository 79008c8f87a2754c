"""The Ray of a command."""

import subprocess
import sys

from tests.support.service import ROOT

CALL_AFTER = """
from app.ray_session import run_ray

with run_ray(None, {}, num_cpus=1):
    import ray

    assert ray.get(ray.put(1)) == 1
try:
    ray.put(1)
except Exception as exc:
    print(type(exc).__name__, ray.is_initialized())
"""


def test_a_call_after_its_end_does_not_start_another() -> None:
    """A thread that outlives Ctrl-C would else leave a Ray behind that nobody ends."""
    command = [sys.executable, "-c", CALL_AFTER]
    done = subprocess.run(command, check=True, cwd=ROOT, capture_output=True, text=True)
    assert done.stdout == "RaySystemError False\n"
