"""Run ``python -m bench.studies.trace``: draw docs/trace.png, a request that shared its batch.

A real service of one classifier, with a ViT-Ti that is slow enough for requests to gather, and
requests at once, until one batch has had 16 of them. Its spans come from the receiver.
"""

import asyncio
from collections.abc import Sequence
from typing import NamedTuple

import httpx
import matplotlib as mpl
from matplotlib.figure import Figure

from bench.kit.images import FORM, Picture, make_picture
from bench.kit.models import find_checkpoint
from bench.kit.plots import STYLE
from bench.kit.results import DOCS, BenchError
from bench.kit.servers import make_vitrine, run_server
from tests.support.otlp_receiver import (
    OtlpReceiver,
    ReceivedSpan,
    is_call,
    order_by_time,
    receive_spans,
)
from tests.support.ports import find_port

SHARED, LEADING, TRIES = 16, 2, 50
"""Requests of the batch; those that keep the model busy while they gather."""

BATCH = "model batch"
GAP = 1.6
"""Rows to what is no stage of the request."""

OWN, OTHER, MODEL = "#333333", "#c9d3dc", "#a14d72"
STAGES = {
    "receive": "#7a7a7a",
    "read": "#1b6ca8",
    "wait": "#e08e2b",
    "batch": "#8a6d3b",
    "inference": MODEL,
    "answer": "#7a7a7a",
}


class Row(NamedTuple):
    """A span that is drawn: its name and colour, and how far down."""

    name: str
    one: ReceivedSpan
    colour: str
    place: float


async def send(url: str, picture: Picture) -> None:
    """Send all requests at once."""
    async with httpx.AsyncClient(timeout=60, headers={"Content-Type": FORM}) as client:
        requests = (
            client.post(f"{url}/predict", content=picture.body()) for _ in range(LEADING + SHARED)
        )
        for answer in await asyncio.gather(*requests):
            answer.raise_for_status()


def find_batch(receiver: OtlpReceiver) -> ReceivedSpan | None:
    """Find a batch of that many requests, all of whose spans have come."""
    calls = {one.span.span_id for one in list(receiver.spans) if is_call(one)}
    batches = (one for one in list(receiver.spans) if one.name == BATCH)
    fitting = (one for one in batches if len(one.links) == SHARED and one.links <= calls)
    return next(fitting, None)


async def collect(url: str, picture: Picture, receiver: OtlpReceiver) -> ReceivedSpan:
    """Send requests until a batch was shared by that many."""
    for _ in range(TRIES):
        await send(url, picture)
        await asyncio.sleep(1)
        if (batch := find_batch(receiver)) is not None:
            return batch
    raise BenchError(f"no batch had {SHARED} requests in {TRIES} tries")


def list_rows(receiver: OtlpReceiver, batch: ReceivedSpan) -> list[Row]:
    """List what is drawn: the request that came first, the batch, and the other requests."""
    calls = [one for one in receiver.spans if one.span.span_id in batch.links]
    calls.sort(key=order_by_time)
    own = calls[0]
    rows = [Row(f"request 1: {own.name}", own, OWN, 0)]
    stages = [one for one in receiver.find_trace(own.trace_id) if one is not own]
    for one in stages:
        rows.append(Row(one.name, one, STAGES[one.name], rows[-1].place + 1))
    rows.append(Row(f"{batch.name}, linked to all {SHARED}", batch, MODEL, rows[-1].place + GAP))
    for number, one in enumerate(calls[1:], 2):
        gap = GAP if number == 2 else 1  # noqa: PLR2004 - the first of the others
        rows.append(Row(f"request {number}", one, OTHER, rows[-1].place + gap))
    return rows


def draw(rows: Sequence[Row]) -> None:
    """Draw each span as a bar in time."""
    origin = rows[0].one.span.start_time_unix_nano
    with mpl.rc_context(STYLE | {"axes.grid.axis": "x"}):
        figure = Figure(figsize=(9, 6.4), layout="constrained")
        axes = figure.add_subplot()
        for row in rows:
            begin = (row.one.span.start_time_unix_nano - origin) / 1e6
            length = (row.one.span.end_time_unix_nano - row.one.span.start_time_unix_nano) / 1e6
            bar = axes.barh(row.place, length, 0.8, left=begin, color=row.colour)
            axes.bar_label(bar, [f"{length:.1f} ms"], padding=3, size=7)
        axes.set_yticks([row.place for row in rows], [row.name for row in rows])
        axes.invert_yaxis()
        batch = next(row for row in rows if row.one.name == BATCH)
        begin = (batch.one.span.start_time_unix_nano - origin) / 1e6
        axes.vlines(begin, rows[0].place, rows[-1].place, MODEL, "dotted", label="links")
        axes.legend(loc="upper right")
        axes.set_xlim(0, 1.1 * axes.get_xlim()[1])
        axes.set_xlabel("milliseconds since request 1 came")
        figure.savefig(DOCS / "trace.png", dpi=110)


def main() -> None:
    """Run the service, collect a batch and draw it."""
    picture, port = make_picture("jpeg"), find_port()
    traces = {"OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{port}"}
    server = make_vitrine(
        find_checkpoint("tiny").folder, traces | {"OTEL_BSP_SCHEDULE_DELAY": "100"}
    )
    with receive_spans(port) as receiver, run_server(server, picture):
        batch = asyncio.run(collect(server.url, picture, receiver))
        draw(list_rows(receiver, batch))
    print("drawn docs/trace.png")


if __name__ == "__main__":
    main()
