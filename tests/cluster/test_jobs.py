"""`vitrine score` and `vitrine tune` on two nodes; one that is killed costs no row."""

import json
import shutil
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from subprocess import CompletedProcess

import pytest

from app.training.run_folder import METRICS
from tests.cluster.conftest import open_cluster, wait_until
from tests.support.nodes import GCS_PORT, Cluster, Node
from tests.support.scoring import list_done, read_rows
from tests.support.service import SAMPLES
from tests.support.tuning import write_colors

IMAGES, PART = 6000, 50


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    """Two nodes of two cores each, as far as Ray knows."""
    with open_cluster(2, cpus=2) as made:
        yield made


def write_digits(folder: Path) -> Path:
    """Write many digits whose names begin with their label."""
    folder.mkdir()
    samples = sorted(SAMPLES.glob("*.png"))
    for number in range(IMAGES):
        sample = samples[number % len(samples)]
        shutil.copyfile(sample, folder / f"{sample.name[0]}-{number:05}.png")
    return folder


@contextmanager
def start(cluster: Cluster, *command: str | Path) -> Iterator[Future[CompletedProcess[str]]]:
    """Start a command on the head, on the Ray of the cluster."""
    address = f"{cluster.head.address}:{GCS_PORT}"
    with ThreadPoolExecutor(1) as thread:
        given = ("vitrine", *map(str, command), "--address", address)
        yield thread.submit(cluster.head.try_to_run, *given)


def count_processes(node: Node, name: str) -> int:
    """Count the processes of a node with this in their names."""
    return sum(name in " ".join(one.cmdline()) for one in node.list_processes())


def is_shared(cluster: Cluster) -> bool:
    """Tell whether each node has a process that scores."""
    return all(count_processes(node, "MapWorker") == 1 for node in cluster.nodes)


def test_a_job_is_scored_by_all_nodes_and_outlives_one(cluster: Cluster) -> None:
    """Each node has an actor; the parts of a node that is killed are scored by the other."""
    images, out = write_digits(cluster.folder / "images"), cluster.folder / "out"
    (worker,) = cluster.workers
    with start(cluster, "score", images, "--out", out, "--part-rows", str(PART)) as job:
        wait_until(lambda: (len(list_done(out)) > 4 and is_shared(cluster)) or job.done())
        assert is_shared(cluster)
        worker.kill()
        assert len(list_done(out)) < IMAGES / PART
        done = job.result()
    assert done.returncode == 0, done.stderr
    rows = read_rows(out)
    assert len(rows) == IMAGES
    assert all(Path(row["path"]).name[0] == row["label"] for row in rows)
    assert "Traceback" not in done.stderr


def test_a_model_is_tuned_by_workers_on_all_nodes(cluster: Cluster) -> None:
    """Three workers on two nodes of two cores learn one model, whose run is judged and kept."""
    data, run = write_colors(cluster.folder / "data", count=24), cluster.folder / "run"
    options = ("--workers", "3", "--epochs", "6", "--augment", "none", "--batch-size", "12")
    with start(cluster, "tune", data, "--out", run, *options) as job:
        wait_until(lambda: (run / METRICS).exists() or job.done())
        found = [count_processes(node, "RayTrainWorker") for node in cluster.nodes]
        done = job.result()
    assert done.returncode == 0, done.stderr
    assert sorted(found) == [1, 2]
    epochs = [json.loads(line) for line in (run / METRICS).read_text().splitlines()]
    assert [one["epoch"] for one in epochs] == list(range(1, 7))
    assert "serve it: " in done.stdout
