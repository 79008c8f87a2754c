"""The tables for people, in a terminal and as markdown, and the JSON document for programs.

Knows summaries alone.
"""

from bench.compare.summary import MEASURES, Document

HEAD = f"{'req/s':>8} {'(min-max)':>15} {'p50 ms':>9} {'p99 ms':>9} {'err':>4} {'of limit':>8}"


def print_cells(cells: list[Document]) -> None:
    """Print a line for each server in each cell, with the ratio of the first server to it."""
    print(f"\n{'model':<8} {'image':<14} {'conc':>4} {'server':<20} {HEAD}  first over it")
    for cell in cells:
        for name, side in cell["servers"].items():
            spread = "{:.1f}-{:.1f}".format(*side["spread"])
            rate, p50, p99 = (side[measure] for measure in MEASURES)
            numbers = f"{rate:8.1f} {spread:>15} {p50:9.1f} {p99:9.1f} {side['errors']:4d}"
            where = f"{cell['model']:<8} {cell['image']:<14} {cell['concurrency']:>4} {name:<20}"
            print(f"{where} {numbers} {side['of_limit']:8.0%}  {format_ratio(cell, name)}")


def format_ratio(cell: Document, name: str) -> str:
    """Return the ratio of the first server to this one, with the spread over the rounds."""
    if name not in cell["ratios"]:
        return ""
    found = cell["ratios"][name]
    return "{:.2f} ({:.2f} to {:.2f})".format(found["ratio"], *found["spread"])


def print_open(rows: list[Document]) -> None:
    """Print a line for each server, image and share of the capacity."""
    print(
        f"\n{'open loop':<14} {'share':>5} {'offered/s':>9} {'server':<20} {'p50 ms':>9} ", end=""
    )
    print(f"{'p99 ms':>9} {'(min-max)':>17} {'err':>4}   client late by, p99 ms")
    for row in rows:
        for name, side in row["servers"].items():
            spread = "{:.1f}-{:.1f}".format(*side["p99_spread"])
            where = f"{row['image']:<14} {row['share']:>5.0%} {row['offered_per_s']:>9.1f}"
            numbers = f"{side['p50_ms']:9.1f} {side['p99_ms']:9.1f} {spread:>17}"
            print(f"{where} {name:<20} {numbers} {side['errors']:4d}   {side['late_p99_ms']:.1f}")


def print_limits(limits: dict[str, Document]) -> None:
    """Print what the machine gives without a server."""
    for model, found in limits.items():
        print(f"\n{model}: the model alone {found['engine_per_s']:.1f} images/s, ", end="")
        print(f"batch {found['batch_size']}")
        for image, facts in found["images"].items():
            print(
                f"  {image:<14} decoder {facts['decoder_per_s']:.1f} images/s on all cores, "
                f"{facts['decode_ms']:.2f} ms alone; decode and model {facts['raw_call_ms']:.2f} ms"
            )


def print_servers(model: str, servers: dict[str, Document]) -> None:
    """Print the start, the end and the memory of each server with one model."""
    for name, facts in servers.items():
        stops = ", ".join(f"{start['stop_s']:.1f}" for start in facts["starts"])
        print(
            f"\n{model}, {name}: first 200 after {facts['first_answer_s']:.1f} s, "
            f"ended in {stops} s, memory {facts['total_pss_mb']:.0f} MB in all"
        )
        for line in facts["starts"][0]["log"]:
            print(f"  {line}")
        for memory in facts["memory"]:
            print(f"  {memory['rss_mb']:8.1f} MB resident  {memory['title']}")


def format_side(side: Document) -> str:
    """Return one server's column of the markdown table."""
    rate, p50, p99 = (side[measure] for measure in MEASURES)
    errors = f", {side['errors']} errors" if side["errors"] else ""
    return f"{rate:.{0 if rate >= 50 else 1}f} ({p50:.0f} / {p99:.0f}){errors}"  # noqa: PLR2004 - digits that matter


def print_row(words: list[str]) -> None:
    """Print a row of a markdown table."""
    print(f"| {' | '.join(words)} |")


def print_markdown(cells: list[Document]) -> None:
    """Print the closed loop as docs/performance-method.md has it."""
    names = list(cells[0]["servers"])
    columns = [f"{name}: requests/s (p50 / p99 ms)" for name in names]
    ratios = [f"{names[0]} over {name}" for name in names[1:]]
    head = ["model", "image", "connections", "limit", *columns, *ratios]
    print()
    print_row(head)
    print(f"|{'---|' * len(head)}")
    for cell in cells:
        where = [cell["model"], cell["image"], str(cell["concurrency"])]
        sides = [format_side(side) for side in cell["servers"].values()]
        shown = [format_ratio(cell, name) for name in names[1:]]
        print_row([*where, f"{cell['limit_per_s']:.0f}", *sides, *shown])


def print_open_markdown(rows: list[Document]) -> None:
    """Print the open loop as docs/performance-method.md has it."""
    names = list(rows[0]["servers"])
    head = [
        "image",
        "share",
        "offered/s",
        *[f"{name}: p50 / p99 ms (p99 spread)" for name in names],
    ]
    print()
    print_row(head)
    print(f"|{'---|' * len(head)}")
    for row in rows:
        where = [row["image"], f"{row['share']:.0%}", f"{row['offered_per_s']:.0f}"]
        sides = [row["servers"][name] for name in names]
        shown = [
            "{:.0f} / {:.0f} ({:.0f} to {:.0f})".format(
                side["p50_ms"], side["p99_ms"], *side["p99_spread"]
            )
            for side in sides
        ]
        print_row([*where, *shown])


def print_document(document: Document) -> None:
    """Print all tables."""
    print_cells(document["cells"])
    if document["open"]:
        print_open(document["open"])
    print_limits(document["limits"])
    for model, servers in document["servers"].items():
        print_servers(model, servers)
    print_markdown(document["cells"])
    if document["open"]:
        print_open_markdown(document["open"])
