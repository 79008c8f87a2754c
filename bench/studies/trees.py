"""A commit and this tree, both running, in alternating rounds: what a change costs."""

import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from statistics import median

from bench.kit.images import make_picture
from bench.kit.models import BUNDLED
from bench.kit.results import Record
from bench.kit.rounds import divide, run_rounds
from bench.kit.servers import make_vitrine, run_server
from bench.kit.tools import run_wrk
from tests.support.service import ROOT

CONNECTIONS = 64


@contextmanager
def check_out(commit: str) -> Iterator[Path]:
    """Check a commit out into a folder of its own."""
    with tempfile.TemporaryDirectory(prefix="vitrine-bench-") as folder:
        git = partial(subprocess.run, check=True, cwd=ROOT, stdout=subprocess.DEVNULL)
        git(["git", "worktree", "add", "--detach", folder, commit])
        try:
            yield Path(folder)
        finally:
            git(["git", "worktree", "remove", "--force", folder])


def compare_trees(commit: str, rounds: int, seconds: int) -> Record:
    """Measure requests/s of a commit and of this tree, both running, in alternating rounds."""
    picture = make_picture("png")
    with ExitStack() as stack:
        trees = {"before": stack.enter_context(check_out(commit)), "now": ROOT}
        measures = {}
        for name, tree in trees.items():
            server = make_vitrine(BUNDLED)
            command = (sys.executable, "-P", *server.command[1:])
            env = {**server.env, "PYTHONPATH": str(tree)}
            stack.enter_context(run_server(replace(server, command=command, env=env), picture))
            measures[name] = partial(_measure_rate, server.url, seconds)
        seen = run_rounds(measures, rounds)
    ratios = list(map(divide, seen["now"], seen["before"]))
    return {"ratio": median(ratios), "spread": [min(ratios), max(ratios)], "rounds": seen}


def _measure_rate(url: str, seconds: int) -> float:
    """Measure requests/s over 64 connections."""
    return run_wrk(url, make_picture("png"), CONNECTIONS, seconds)["requests_per_s"]
