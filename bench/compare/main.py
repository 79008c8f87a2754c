"""Run ``python -m bench``: Vitrine and its peers in turn, the same loads on all, one comparison.

Owns the document. Needs wrk and matplotlib; makes LitServe's venv. The last line of stdout is one
JSON document; the exit status is 1 when Vitrine gave an error or left a process behind.
"""

import signal
import sys
from datetime import UTC, datetime

from bench.compare.matrix import find_checkpoints, measure_limits, measure_model, measure_open
from bench.compare.options import Options, parse_options
from bench.compare.report import print_document
from bench.compare.summary import (
    Document,
    Turn,
    add_limits,
    compare_cells,
    summarize_open,
    summarize_server,
)
from bench.kit.images import make_picture
from bench.kit.machine import describe_machine, read_steal
from bench.kit.plots import draw_closed, draw_open
from bench.kit.results import save
from bench.kit.servers import ROOT, BenchError
from bench.kit.wrk import check_wrk


def summarize_servers(turns: list[Turn], differences: dict[str, float]) -> Document:
    """Return the facts of each server with one model."""
    names = dict.fromkeys(turn.name for turn in turns)
    facts = {name: summarize_server([t for t in turns if t.name == name]) for name in names}
    for name, difference in differences.items():
        facts[name]["largest_score_difference"] = difference
    return facts


def measure(options: Options) -> Document:
    """Run everything and return the document."""
    started, machine, stolen = datetime.now(UTC), describe_machine(), read_steal()
    pictures = [make_picture(name) for name in options.images]
    document: Document = {"benchmark": "matrix", "started": started.isoformat(timespec="seconds")}
    document |= {"rounds": options.rounds, "seconds": options.seconds, "machine": machine}
    document |= {"image_bytes": {picture.name: len(picture.content) for picture in pictures}}
    document |= {"cells": [], "limits": {}, "servers": {}}
    for checkpoint in find_checkpoints(options):
        limits = measure_limits(checkpoint, options)
        turns, differences = measure_model(checkpoint, pictures, options)
        cells = compare_cells(turns)
        add_limits(cells, limits)
        document["cells"] += cells
        document["limits"][checkpoint.name] = limits
        document["servers"][checkpoint.name] = summarize_servers(turns, differences)
    document["open_seconds"] = options.open_seconds
    document["open"] = summarize_open(measure_open(document["cells"], options))
    gone = [now - before for now, before in zip(read_steal(), stolen, strict=True)]
    machine["steal_percent"] = round(100 * gone[0] / max(gone[1], 1), 1)
    document["minutes"] = round((datetime.now(UTC) - started).total_seconds() / 60, 1)
    return document


def is_clean(document: Document) -> bool:
    """Say whether Vitrine gave no error and left no process, with any settings."""
    cells = [*document["cells"], *document["open"]]
    sides = [side for cell in cells for side in cell["servers"].items()]
    errors = sum(side["errors"] for name, side in sides if name.startswith("vitrine"))
    left = sum(
        start["left"]
        for servers in document["servers"].values()
        for name, facts in servers.items()
        if name.startswith("vitrine")
        for start in facts["starts"]
    )
    return not errors and not left


def run() -> int:
    """Run the benchmark and return its exit status."""
    options = parse_options()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that the server is stopped too
    try:
        check_wrk()
        document = measure(options)
    except BenchError as error:
        print(error, file=sys.stderr)
        return 1
    print_document(document)
    for draw in (draw_closed, draw_open):
        if plot := draw(document, options.name):
            print(f"drawn: {plot.relative_to(ROOT)}")
    save(document, options.name)
    return 0 if is_clean(document) else 1


if __name__ == "__main__":
    sys.exit(run())
