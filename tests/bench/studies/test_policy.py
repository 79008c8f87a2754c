"""The policy study: its open loop, what is made of the answers, and its tables."""

import asyncio
from dataclasses import replace

from app.client.generator import draw_schedule
from bench.studies.policies import WARM_S, Answer, Load, play, summarize_answers
from bench.studies.policy_report import CELL, format_rates, format_scaling

LOAD = Load(rate=100, seconds=2, seed=3, queue=4, deadline_ms=50)
FOUND = {"goodput": 99.6, "p50_ms": 8.4, "p99_ms": 20.0, "batch": 1.2}
ROW = FOUND | {"name": "a", "offered": 100.0}


def test_only_what_is_answered_in_time_is_goodput() -> None:
    """Late answers count as answered; refused ones do not, nor what comes outside the load."""
    answers = [
        (WARM_S - 0.08, 20, "warm-up"),
        (WARM_S, 50, "one"),
        (WARM_S + 0.1, 40, "one"),
        (WARM_S + 0.2, 60, "two"),
        (WARM_S + 0.3, 0, None),
        (WARM_S + LOAD.seconds + 0.01, 20, "after the end"),
    ]
    found = {"goodput": 1.0, "answered": 1.5, "p50_ms": 50, "p99_ms": 59.8, "batch": 1.5}
    assert summarize_answers(answers, LOAD) == found


def test_no_answers_are_no_goodput() -> None:
    """A load of which nothing is answered has a summary too."""
    assert set(summarize_answers([(WARM_S, 0, None)], LOAD).values()) == {0}


def test_a_full_queue_refuses() -> None:
    """While as many wait as the queue holds, arrivals are refused; failures are no answers."""
    load = replace(LOAD, rate=200, seconds=0.1)

    async def offer() -> tuple[int, list[Answer]]:
        asked, full = 0, asyncio.Event()

        async def ask() -> str:
            nonlocal asked
            asked += 1
            number = asked
            if number == LOAD.queue:
                asyncio.get_running_loop().call_later(1.0, full.set)
            await full.wait()
            if number == 1:
                raise ValueError("broken")
            return "batch"

        return asked, await play(load, ask)

    _, answers = asyncio.run(offer())
    assert len(answers) == len(draw_schedule(200, WARM_S + 0.1, seed=3)) > LOAD.queue
    assert sum(batch is not None for *_, batch in answers) == LOAD.queue - 1


def test_a_policy_is_a_row_and_a_rate_a_column() -> None:
    """Cells of one policy stand beside each other, in the order of the rates."""
    cells = [ROW, ROW | {"name": "b"}, ROW | {"offered": 500.0, "goodput": 400.0}]
    cells.append(ROW | {"name": "b", "offered": 500.0})
    assert format_rates(cells, CELL).splitlines() == [
        "| policy | 100 offered/s | 500 offered/s |",
        "|---|---|---|",
        "| a | 100; 8 / 20; 1.2 | 400; 8 / 20; 1.2 |",
        "| b | 100; 8 / 20; 1.2 | 100; 8 / 20; 1.2 |",
    ]


def test_replicas_are_compared_with_one() -> None:
    """Each number of replicas has its goodput divided by the first's."""
    cells = [ROW | {"replicas": 1}, ROW | {"replicas": 4, "goodput": 398.4}]
    rows = format_scaling(cells).splitlines()
    assert rows[-1] == "| 4 | 100 | 398 | 4.00 | 8 / 20 | 1.2 |"
