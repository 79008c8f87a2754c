"""The tables of ``python -m bench.studies.policy`` in Markdown, to paste into docs/batch-policy.md.

Knows the JSON document alone.
"""

from collections.abc import Callable
from typing import Any

Cell = dict[str, Any]


def print_tables(document: dict[str, Any]) -> None:
    """Print what each policy gave, the CPU that it took, and the scaling."""
    cells = document["policies"]
    print("Goodput/s; p50 / p99 ms; images a batch:\n")
    print(format_rates(cells, format_cell))
    print("\nCores busy, driver + classifier:\n")
    print(format_rates(cells, format_cpu))
    print("\nMore replicas:\n")
    print(format_scaling(document["scaling"]))


def format_cell(cell: Cell) -> str:
    """Return goodput, latencies and batch size of a cell."""
    latencies = f"{cell['p50_ms']:.0f} / {cell['p99_ms']:.0f}"
    return f"{cell['goodput']:.0f}; {latencies}; {cell['batch']:.1f}"


def format_cpu(cell: Cell) -> str:
    """Return the cores that a cell kept busy."""
    return f"{cell['driver_cpu']:.2f} + {cell['classifier_cpu']:.2f}"


def format_rates(cells: list[Cell], form: Callable[[Cell], str]) -> str:
    """Return a table with a row for each policy and a column for each offered rate."""
    rates = list(dict.fromkeys(cell["offered"] for cell in cells))
    rows: dict[str, list[str]] = {}
    for cell in cells:
        rows.setdefault(cell["name"], []).append(form(cell))
    head = ["policy", *(f"{rate:.0f} offered/s" for rate in rates)]
    return format_table(head, [[name, *row] for name, row in rows.items()])


def format_scaling(cells: list[Cell]) -> str:
    """Return a row for each number of replicas, with what it gives beside one."""
    head = ["replicas", "offered/s", "goodput/s", "beside one", "p50 / p99 ms", "images a batch"]
    rows = [
        [
            f"{cell['replicas']}",
            f"{cell['offered']:.0f}",
            f"{cell['goodput']:.0f}",
            f"{cell['goodput'] / max(1, cells[0]['goodput']):.2f}",
            f"{cell['p50_ms']:.0f} / {cell['p99_ms']:.0f}",
            f"{cell['batch']:.1f}",
        ]
        for cell in cells
    ]
    return format_table(head, rows)


def format_table(head: list[str], rows: list[list[str]]) -> str:
    """Return a table in Markdown."""
    body = [f"| {' | '.join(row)} |" for row in rows]
    return "\n".join([f"| {' | '.join(head)} |", "|" + "---|" * len(head), *body])
