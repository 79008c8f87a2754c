"""The processes to profile are found by their titles: those of one service, of this user."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import psutil
import pytest

from app.errors import ProfileError
from app.standalone.profile_targets import Target, find_targets

SLEEP = "print(flush=True); import time; time.sleep(60)"
READER = "app.images.workers.worker"
INGRESS, CLASSIFIER = "ray::ServeReplica:vitrine:Ingress", "ray::ServeReplica:vitrine:Classifier"


def write_parent(*commands: list[str]) -> str:
    """Write a program that starts others by their titles and arguments, and then sleeps.

    So does `vitrine serve`, and an ingress replica that has processes to read images.
    """
    return f"""
import subprocess
for command in {commands!r}:
    child = subprocess.Popen(command, executable={sys.executable!r}, stdout=subprocess.PIPE)
    child.stdout.readline()
{SLEEP}
"""


@contextmanager
def start(title: str, code: str = SLEEP) -> Iterator[psutil.Process]:
    """Start a process with a title, as Ray gives it to its workers."""
    command = [title, "-c", code]
    with subprocess.Popen(command, executable=sys.executable, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        found = psutil.Process(process.pid)
        children = found.children(recursive=True)
        try:
            yield found
        finally:
            for one in (*children, found):
                one.kill()


def test_replicas_and_their_readers_are_found() -> None:
    """Whatever method a replica runs; other deployments, applications and programs are not."""
    service = write_parent(
        [INGRESS, "-c", write_parent([sys.executable, "-c", SLEEP, READER])],
        [f"{CLASSIFIER}.predict", "-c", SLEEP],
        ["ray::ServeReplica:other:Ingress", "-c", SLEEP],
        ["ray::HAProxyManager", "-c", SLEEP],
    )
    with start(sys.executable, service) as running:
        ingress, classifier, *_ = running.children()
        (reader,) = ingress.children()
        assert set(find_targets(running.pid)) == {
            Target("ingress", ingress.pid),
            Target("classifier", classifier.pid),
            Target("reading", reader.pid),
        }


def test_no_service_is_told() -> None:
    """The replicas of another process are none of this one."""
    with (
        start(INGRESS) as ingress,
        pytest.raises(ProfileError, match=f"comes of process {ingress.pid} runs here"),
    ):
        find_targets(ingress.pid)


def test_one_of_several_services_has_to_be_chosen() -> None:
    """They are told apart by what has started their replicas."""
    parent = write_parent([INGRESS, "-c", SLEEP])
    with start("one", parent) as one, start("two", parent) as two:
        with pytest.raises(ProfileError, match=r"Several .*Choose one with --pid") as caught:
            find_targets(os.getpid())
        assert f"{one.pid} (one " in str(caught.value)
        assert [target.pid for target in find_targets(two.pid)] == [two.children()[0].pid]
