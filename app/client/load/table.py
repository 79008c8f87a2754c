"""The report of a load test on a terminal."""

from collections.abc import Iterator, Mapping

from rich.bar import Bar
from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from app.client.answer_text import GOOD
from app.client.load.report import MAX_LATE_MS, LoadReport, RateReport

WIDE = 120
"""Characters of a terminal that has room for bars."""

BAR_WIDTH = 24
KB = 1000
NOTHING = "-"


def render_report(report: LoadReport, width: int) -> RenderableType:
    """Render the report for a terminal of a width."""
    parts: list[RenderableType] = [Text(line, style="dim") for line in _list_facts(report)]
    if report.rates:
        parts.append(_make_table(report, has_bars=width >= WIDE))
    parts += [Text(f"! {note}", style="yellow") for note in _list_notes(report)]
    return Group(*parts, _make_verdict(report))


def print_report(report: LoadReport, console: Console) -> None:
    """Print the report."""
    console.print(render_report(report, console.width))


def _list_facts(report: LoadReport) -> Iterator[str]:
    """List what was sent, and what the service can do."""
    kilobytes = report.image_bytes / report.images / KB
    images = "1 image" if report.images == 1 else f"{report.images} images in turn"
    yield f"{report.url}: {images}, {kilobytes:.1f} KB on average"
    how = f"{report.duration_s:g} s each, at most {report.connections} connections"
    yield f"open loop, Poisson, {how}; latencies from when a request was due"
    if report.capacity_per_s is not None:
        yield f"closed loop before: {report.capacity_per_s:g} answers/s"


def _make_table(report: LoadReport, *, has_bars: bool) -> Table:
    """Make a row for each rate; times are in milliseconds."""
    table = Table(box=None, header_style="bold")
    for name in ("rate/s", "sent", "good/s", "p50", "p90", "p95", "p99", "p99.9", "max", "late"):
        table.add_column(name, justify="right", no_wrap=True)
    if has_bars:
        table.add_column("p50 to p99", width=BAR_WIDTH)
    table.add_column("answers", overflow="fold")
    longest = max((one.latency_ms.get("p99", 0) for one in report.rates), default=0)
    for one in report.rates:
        style = "green" if one.meets_target else "red"
        times = [_format_ms(value) for value in one.latency_ms.values()] or [NOTHING] * 6
        cells: list[RenderableType] = [
            Text(f"{one.rate_per_s:g}", style=style),
            str(one.sent),
            f"{one.good_per_s:.1f}",
            *times,
            _format_ms(one.late_p99_ms),
        ]
        bars = [_make_bar(one, longest, style)] if has_bars else []
        table.add_row(*cells, *bars, Text(_list_outcomes(one.outcomes)))
    return table


def _make_bar(one: RateReport, longest: float, style: str) -> Bar:
    """Make a bar from the median to the 99th percentile."""
    times = one.latency_ms
    return Bar(longest or 1, times.get("p50", 0), times.get("p99", 0), color=style)


def _format_ms(value: float) -> str:
    """Format milliseconds with three digits that count."""
    return f"{value:.0f}" if value >= 100 else f"{value:.3g}"  # noqa: PLR2004 - three digits


def _list_outcomes(outcomes: Mapping[str, int]) -> str:
    """List how often each outcome came."""
    return ", ".join(f"{count} x {name}" for name, count in outcomes.items())


def _list_notes(report: LoadReport) -> Iterator[str]:
    """List what makes the figures less than they seem."""
    if report.interrupted:
        yield "interrupted: this is what was measured until then"
    for one in report.rates:
        if not one.kept_up:
            yield (
                f"{one.rate_per_s:g}/s: this client was the bottleneck (1% of its requests left "
                f"more than {one.late_p99_ms:.0f} ms late, {MAX_LATE_MS:g} are allowed). Run it "
                "on another machine, or lower the rate."
            )
        if one.waited:
            yield (
                f"{one.rate_per_s:g}/s: {one.waited} requests waited for one of the "
                f"{report.connections} connections, and their latency runs. See --connections."
            )


def _make_verdict(report: LoadReport) -> Text:
    """Say which rate the service bears."""
    within = f"99% of all requests are answered with {GOOD} within {report.target_ms:g} ms"
    if report.best_per_s is None:
        return Text(f"At no rate measured {within}.", style="bold red")
    return Text(f"The highest rate at which {within}: {report.best_per_s:g}/s.", style="bold green")
