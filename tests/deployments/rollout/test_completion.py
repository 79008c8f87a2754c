"""Serve's variables that a file leaves out."""

from dataclasses import replace
from pathlib import Path

import pytest

from app.deployments.rollout.completion import (
    describe_completion,
    describe_ignored,
    find_missing,
)
from app.errors import RolloutError
from tests.support.rollouts import PROGRAM, drop_variable, make_config, make_report

ONE, TWO = make_report("10.0.0.1"), make_report("10.0.0.2")
PATH = "RAY_SERVE_HAPROXY_BINARY_PATH"


def test_nothing_is_added_where_all_nodes_have_it(tmp_path: Path) -> None:
    """Whether by the file or by their own environment."""
    assert find_missing(make_config(tmp_path), [ONE, TWO]) == {}
    assert list(describe_completion({})) == []


def test_what_one_node_lacks_is_added(tmp_path: Path) -> None:
    """With the value that `vitrine env` prints."""
    name = "RAY_SERVE_HAPROXY_RETRIES"
    missing = find_missing(make_config(tmp_path), [ONE, drop_variable(TWO, name)])
    assert missing == {name: "8"}
    (line,) = describe_completion(missing)
    assert line.endswith(name)


def test_a_port_of_the_metrics_is_added_for_haproxy(tmp_path: Path) -> None:
    """The setting alone would open none."""
    report = make_report("10.0.0.1", metrics_port=9102)
    missing = find_missing(make_config(tmp_path), [report])
    assert missing == {"HAPROXY_VITRINE_METRICS_PORT": "9102"}


def test_a_path_that_leads_nowhere_is_corrected(tmp_path: Path) -> None:
    """Where vitrine-haproxy is at one other path on all nodes."""
    nodes = [replace(one, program="", found_program="/v/bin/vitrine-haproxy") for one in (ONE, TWO)]
    assert find_missing(make_config(tmp_path), nodes) == {PATH: "/v/bin/vitrine-haproxy"}


def test_a_program_that_is_not_at_one_path_is_refused(tmp_path: Path) -> None:
    """With the path on each node."""
    nodes = [ONE, replace(TWO, program="", found_program="")]
    with pytest.raises(RolloutError, match=f"{PROGRAM} on 10.0.0.1, nowhere on 10.0.0.2"):
        find_missing(make_config(tmp_path), nodes)


def test_what_a_running_serve_does_not_take_is_told() -> None:
    """By the names alone; what it has beside them does not matter."""
    running = {"A": "1", "B": "2", "D": "4"}
    assert list(describe_ignored({"A": "1"}, running)) == []
    (line,) = describe_ignored({"A": "1", "B": "3", "C": "3"}, running)
    assert line.endswith(": B, C")
