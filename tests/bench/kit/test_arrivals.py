"""The open loop of the policy benchmark: seeded arrivals, and what is made of the answers."""

import asyncio
from dataclasses import replace

import numpy as np

from bench.kit.arrivals import WARM_S, Answer, Load, Summary, draw_arrivals, play, summarize_answers

LOAD = Load(rate=100, seconds=2, seed=3, queue=4, deadline_ms=50)


def test_a_seed_names_its_arrivals() -> None:
    """The same seed gives the same arrivals, another one others."""
    assert np.array_equal(draw_arrivals(LOAD), draw_arrivals(LOAD))
    assert not np.array_equal(draw_arrivals(LOAD), draw_arrivals(replace(LOAD, seed=4)))


def test_arrivals_fill_the_load_at_its_rate() -> None:
    """Arrivals rise from the start to the end, and their gaps are those of a Poisson process."""
    load = replace(LOAD, rate=1000, seconds=50)
    gaps = np.diff(draw_arrivals(load))
    assert gaps.min() >= 0
    assert draw_arrivals(load)[-1] < WARM_S + load.seconds
    assert np.isclose(1 / gaps.mean(), load.rate, rtol=0.02)
    assert np.isclose(gaps.std(), gaps.mean(), rtol=0.02)


def test_only_what_is_answered_in_time_is_goodput() -> None:
    """Late answers count as answered; refused ones do not, nor what comes outside the load."""
    answers = [
        Answer(WARM_S - 0.1, 20, "warm-up"),
        Answer(WARM_S, 50, "one"),
        Answer(WARM_S + 0.1, 40, "one"),
        Answer(WARM_S + 0.2, 60, "two"),
        Answer(WARM_S + 0.3, 0, None),
        Answer(WARM_S + LOAD.seconds - 0.01, 20, "after the end"),
    ]
    summary = summarize_answers(answers, LOAD)
    assert summary == Summary(goodput=1.0, answered=1.5, p50_ms=50, p99_ms=59.8, batch=1.5)


def test_no_answers_are_no_goodput() -> None:
    """A load of which nothing is answered has a summary too."""
    summary = summarize_answers([Answer(WARM_S, 0, None)], LOAD)
    assert (summary.goodput, summary.answered, summary.batch) == (0, 0, 0)


def test_a_full_queue_refuses() -> None:
    """While as many wait as the queue holds, arrivals are refused; failures are no answers."""

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

        answers = await play(replace(LOAD, rate=200, seconds=0.1), ask)
        return asked, answers

    asked, answers = asyncio.run(offer())
    assert len(answers) == len(draw_arrivals(replace(LOAD, rate=200, seconds=0.1)))
    assert sum(answer.batch is not None for answer in answers) == asked - 1
    assert len(answers) > asked
