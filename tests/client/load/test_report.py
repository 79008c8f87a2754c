"""What the report makes of what was seen, and how a terminal shows it."""

import io

import pytest
from rich.console import Console

from app.client.endpoint import read_endpoint
from app.client.load.images import read_images
from app.client.load.measurement import Measurement
from app.client.load.plan import LoadPlan
from app.client.load.report import LoadReport, make_report
from app.client.load.step import Step
from app.client.load.table import print_report
from tests.support.service import SEVEN


def make_step(rate: float, good: int, *, bad: int = 0, late_s: float = 0.001) -> Step:
    """Make a step with latencies of 1 ms to so many, and some refusals."""
    step = Step(rate, 1.0, took_s=2.0, lateness=[late_s] * (good + bad))
    for number in range(good):
        step.add("200", (number + 1) / 1000)
    for _ in range(bad):
        step.add("503 overloaded", 0.001)
    return step


def report_steps(*steps: Step, is_interrupted: bool = False) -> LoadReport:
    """Report steps of a plan whose target is 250 ms."""
    plan = LoadPlan(read_endpoint("http://a.example", "/predict"), read_images([SEVEN]))
    found = Measurement(plan, steps=list(steps), is_interrupted=is_interrupted)
    return make_report(found)


def show(report: LoadReport, width: int) -> str:
    """Show a report on a terminal of a width."""
    file = io.StringIO()
    print_report(report, Console(file=file, width=width))
    return file.getvalue()


def test_latencies_are_those_of_good_answers() -> None:
    """Percentiles, the longest, and the rate of answers until the last."""
    (one,) = report_steps(make_step(101, 101, bad=9)).rates
    assert one.latency_ms["p50"] == 51
    assert one.latency_ms["p99"] == 100
    assert one.latency_ms["max"] == 101
    assert one.good_per_s == pytest.approx(101 / 2, abs=0.1)
    assert one.outcomes == {"200": 101, "503 overloaded": 9}
    assert max(rank for rank, _ in one.curve_ms if rank < 100) == 99  # 101 tell of no 99.9


def test_the_best_rate_is_the_highest_with_99_percent_in_time() -> None:
    """Of all requests: one that is refused is not answered in time."""
    steps = make_step(10, 200), make_step(30, 200, bad=3), make_step(20, 252), make_step(40, 400)
    report = report_steps(*steps)
    assert [one.meets_target for one in report.rates] == [True, False, True, False]
    assert report.best_per_s == 20
    assert report_steps(make_step(40, 400)).best_per_s is None


def test_a_client_that_is_late_has_measured_itself() -> None:
    """The report says so, and what to do."""
    report = report_steps(make_step(10, 200), make_step(20, 200, late_s=0.05))
    assert [one.kept_up for one in report.rates] == [True, False]
    text = " ".join(show(report, 100).split())
    assert "20/s: this client was the bottleneck (1% of its requests left more than 50" in text
    assert "10/s: this client" not in text


def test_nothing_measured_is_a_report_too() -> None:
    """As after Ctrl-C in the warm-up, or where no answer was good."""
    assert "interrupted" in show(report_steps(is_interrupted=True), 80)
    text = show(report_steps(make_step(10, 0, bad=5)), 80)
    assert "5 x 503 overloaded" in text
    assert "At no rate measured" in text


@pytest.mark.parametrize("width", [40, 80, 160])
def test_a_report_fits_its_terminal(width: int) -> None:
    """With bars where there is room."""
    text = show(report_steps(make_step(10, 200), make_step(20, 200, bad=20)), width)
    assert max(len(line) for line in text.splitlines()) <= width
    assert ("█" in text) == (width >= 120)
