"""From rounds to medians, spreads, ratios and shares of the limit."""

import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from bench.compare.loads import Result
from bench.compare.main import alternate
from bench.compare.summary import (
    ServerRun,
    check_answers,
    compare_cells,
    find_capacity,
    summarize_open,
)
from bench.kit.results import BenchError
from bench.kit.servers import Running, Server, make_vitrine
from tests.support.service import Service

LIMITS = {
    "engine_per_s": 200.0,
    "engine_cpu_ms": 0.5,
    "images": {
        "png": {
            "decoder_per_s": 400.0,
            "decode_cpu_ms": 1.0,
            "raw_call_ms": 4.0,
            "raw_call_cpu_ms": 2.5,
        }
    },
}


def make_run(name: str, rate: float, score: float = 0.7, *, is_exact: bool = True) -> ServerRun:
    """Make a run that saw one rate at 1 and twice that at 64 connections."""
    service = Service(subprocess.Popen(["true"]), 1, Path(), Path(), "")
    service.process.wait()
    running = Running(Server(name, ("true",), 1, is_exact=is_exact), service)
    results = [
        Result("png", 1, rate, p50_ms=9.0, p99_ms=12.0, errors=0, cpu_ms=7.0),
        Result("png", 64, 2 * rate, p50_ms=90.0, p99_ms=120.0, errors=1, cpu_ms=5.0),
    ]
    return ServerRun("digits", running, results, [], {"png": {"seven": score, "one": 0.2}})


def test_a_cell_is_the_median_with_its_spread() -> None:
    """Three rounds give their median, least and most, the errors of all, and the ratios."""
    runs = [make_run("vitrine", rate) for rate in (50, 90, 60)]
    runs += [make_run("peer", rate) for rate in (100, 90, 60)]
    lone, busy = compare_cells(runs, LIMITS)
    assert lone["servers"]["vitrine"]["requests_per_s"] == 60
    assert lone["servers"]["vitrine"]["spread"] == [50, 90]
    assert busy["servers"]["peer"]["errors"] == 3
    ratio = {"ratio": 0.67, "spread": [0.5, 1.0], "beside": "peer"}
    assert lone["ratios"] == {"vitrine over peer": ratio}


def test_a_peer_is_compared_with_at_its_best() -> None:
    """Of a peer's variants the faster one counts, cell by cell, beside every Vitrine."""
    runs = [make_run(name, rate) for name, rate in (("vitrine", 90), ("vitrine scaled", 180))]
    runs += [make_run("litserve-1", 50), make_run("litserve-2", 60)]
    runs[2].results[1] = replace(runs[2].results[1], requests_per_s=150)
    lone, busy = (cell["ratios"] for cell in compare_cells(runs, LIMITS))
    assert list(lone) == [
        "vitrine over litserve",
        "vitrine scaled over litserve",
        "vitrine over vitrine scaled",
    ]
    found = lone["vitrine over litserve"]
    assert (found["ratio"], found["beside"]) == (1.5, "litserve-2")
    found = busy["vitrine scaled over litserve"]
    assert (found["ratio"], found["beside"]) == (2.4, "litserve-1")


def test_cpu_time_is_held_against_decode_and_forward() -> None:
    """A lone request against one call of both, the others against decode and a batch's share."""
    runs = [make_run("vitrine", 50), make_run("vitrine scaled", 50, is_exact=False)]
    lone, busy = (cell["servers"] for cell in compare_cells(runs, LIMITS))
    assert (lone["vitrine"]["cpu_ms"], lone["vitrine"]["cpu_beyond_ms"]) == (7.0, 4.5)
    assert busy["vitrine"]["cpu_beyond_ms"] == 3.5
    assert "cpu_beyond_ms" not in busy["vitrine scaled"]


def test_a_side_is_held_against_the_lower_limit() -> None:
    """The limit is decoder or model, whichever is lower; a lone request is held against a call."""
    cells = compare_cells([make_run("vitrine", 50)], LIMITS)
    lone, busy = (cell["servers"]["vitrine"] for cell in cells)
    assert (lone["of_limit"], lone["added_ms"]) == (0.25, 5.0)
    assert busy["of_limit"] == 0.5
    assert "added_ms" not in busy


def test_capacity_is_the_slower_server_at_the_most_connections() -> None:
    """The open loop asks of both what the slower one can give."""
    runs = [make_run("vitrine", 50), make_run("litserve-1", 30), make_run("litserve-2", 40)]
    cells = compare_cells(runs, LIMITS)
    assert find_capacity(cells, "png", ("vitrine", "litserve")) == 80


def test_open_rounds_become_medians() -> None:
    """One row for an image and share, with the spread of the p99 over the rounds."""
    runs = [make_run("vitrine", 1) for _ in range(3)]
    for run, p99 in zip(runs, (20, 90, 30), strict=True):
        run.results[:] = [Result("png", 0.5, 40.0, 8.0, p99, 0, 5.0, late_p99_ms=1.0)]
    (row,) = summarize_open(runs)
    assert row["servers"]["vitrine"]["p99_ms"] == 30
    assert row["servers"]["vitrine"]["spread"] == [20, 90]


def test_every_round_begins_with_another_server() -> None:
    """No server always comes first."""
    servers = [Server(name, ("true",), 1) for name in "abc"]
    order = [server.name for _, server in alternate(servers, 3)]
    assert "".join(order) == "abcbcacab"


def test_other_answers_are_refused() -> None:
    """Servers whose score for the leading label differs are not compared."""
    runs = [make_run("vitrine", 1), make_run("peer", 1, 0.7005)]
    assert check_answers(runs)["peer"] == pytest.approx(0.0005)
    with pytest.raises(BenchError, match="they do not serve the same"):
        check_answers([*runs, make_run("other", 1, 0.6)])


def test_a_variant_may_answer_otherwise() -> None:
    """Settings may change scores on purpose: the difference is told, not refused."""
    runs = [make_run("vitrine", 1), make_run("vitrine int8", 1, 0.6, is_exact=False)]
    assert check_answers(runs)["vitrine int8"] == pytest.approx(0.1)


def test_a_variant_is_named_without_folders() -> None:
    """A path in a setting shows its last part alone."""
    settings = {"VITRINE_ENGINE": "openvino", "VITRINE_MODEL": "/somewhere/int8"}
    assert make_vitrine(Path(), settings).name == "vitrine openvino int8"
