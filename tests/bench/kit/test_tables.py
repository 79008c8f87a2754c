"""The tables of the policy benchmark, as Markdown."""

from bench.kit.tables import format_cell, format_rates, format_scaling

CELL = {"name": "a", "offered": 100.0, "goodput": 99.6, "p50_ms": 8.4, "p99_ms": 20.0, "batch": 1.2}


def test_a_policy_is_a_row_and_a_rate_a_column() -> None:
    """Cells of one policy stand beside each other, in the order of the rates."""
    cells = [CELL, CELL | {"name": "b"}, CELL | {"offered": 500.0, "goodput": 400.0}]
    cells.append(CELL | {"name": "b", "offered": 500.0})
    assert format_rates(cells, format_cell).splitlines() == [
        "| policy | 100 offered/s | 500 offered/s |",
        "|---|---|---|",
        "| a | 100; 8 / 20; 1.2 | 400; 8 / 20; 1.2 |",
        "| b | 100; 8 / 20; 1.2 | 100; 8 / 20; 1.2 |",
    ]


def test_replicas_are_compared_with_one() -> None:
    """Each number of replicas tells how many times the goodput of the first it gives."""
    cells = [CELL | {"replicas": 1}, CELL | {"replicas": 4, "goodput": 398.4}]
    rows = format_scaling(cells).splitlines()
    assert rows[-1] == "| 4 | 100 | 398 | 4.00 | 8 / 20 | 1.2 |"
