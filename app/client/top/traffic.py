"""Tables of what is asked for and answered: routes, stages, first labels."""

from rich.table import Table
from rich.text import Text

from app.client.top.cells import (
    NOTHING,
    add_more,
    make_table,
    show_bar,
    show_ms,
    show_rate,
    show_share,
    show_text,
)
from app.client.top.change import Change, add_up
from app.observability.stages import CLASSIFICATION

MAX_ROUTES = MAX_LABELS = 10

_BAD = "yellow"


def make_routes(change: Change) -> Table:
    """Make a row for each route and status: answers a second; times are those of the route."""
    table = make_table(
        "requests", ("route", "answer"), ("req/s", "p50 ms", "p95 ms", "p99 ms", "ever")
    )
    kinds = ("route", "status", "problem")
    rates = change.rate("vitrine_requests_total", *kinds)
    totals = add_up(change.after.find("vitrine_requests_total"), *kinds)
    times = change.find_percentiles("vitrine_request_seconds", "route", 50, 95, 99)
    rows = sorted(totals, key=lambda kind: (-rates.get(kind, 0.0), -totals[kind], kind))
    shown: set[str] = set()
    for route, status, problem in rows[:MAX_ROUTES]:
        cells = times.get(route, (None, None, None)) if route not in shown else ()
        shown.add(route)
        answer = show_text(f"{status} {problem}".strip(), _BAD if problem else "")
        kind = (route, status, problem)
        ms = [show_ms(value) for value in cells] or [""] * 3
        count = f"{totals[kind]:.0f}"
        table.add_row(show_text(route), answer, show_rate(rates.get(kind, 0.0)), *ms, count)
    add_more(table, len(rows) - MAX_ROUTES)
    _add_refusals(table, change)
    return table


def _add_refusals(table: Table, change: Change) -> None:
    """Add what HAProxy has refused in place of the service, where it tells."""
    name = "vitrine_proxy_refusals_total"
    if total := sum(change.after.find(name).values()):
        rate = show_rate(sum(change.rate(name).values()))
        answer = Text("503 refused", style=_BAD)
        table.add_row(Text("by the proxy"), answer, rate, "", "", "", f"{total:.0f}")


def make_stages(change: Change) -> Table:
    """Make a row for each stage of an image: its mean and percentiles."""
    table = make_table("stages", ("stage",), ("mean ms", "p95 ms", "p99 ms"), bar="mean")
    means = {
        stage: mean for (stage,), mean in change.mean("vitrine_stage_seconds", "stage").items()
    }
    times = change.find_percentiles("vitrine_stage_seconds", "stage", 95, 99)
    most = max(means.values(), default=0.0)
    for stage in (*CLASSIFICATION, *sorted(set(means) - set(CLASSIFICATION))[:MAX_ROUTES]):
        ms = [show_ms(value) for value in times.get(stage, (None, None))]
        bar = show_bar(means.get(stage, 0.0), most)
        table.add_row(show_text(stage), show_ms(means.get(stage)), *ms, bar)
    return table


def make_labels(change: Change) -> Table:
    """Make a row for each of the most frequent first labels, of this moment or since the start."""
    name, by = "vitrine_top_labels_total", ("label", "label_id")
    counts = {label: value for label, value in change.count(name, *by).items() if value}
    when = "now"
    if not counts:
        when, counts = "since start", add_up(change.after.find(name), *by)
    scores = change.mean("vitrine_top_score").get((), None)
    mean = NOTHING if scores is None else f"{scores:.3f}"
    table = make_table(f"first labels, {when}", ("label",), ("id", "share"), bar="share")
    table.caption, table.caption_justify = f"mean top score now: {mean}", "left"
    whole = sum(counts.values())
    rows = sorted(counts, key=lambda label: (-counts[label], label))
    for label in rows[:MAX_LABELS]:
        count = counts[label]
        bar = show_bar(count, counts[rows[0]], "green")
        table.add_row(show_text(label[0]), show_text(label[1]), show_share(count, whole), bar)
    add_more(table, len(rows) - MAX_LABELS)
    return table
