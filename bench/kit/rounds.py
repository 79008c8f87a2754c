"""Rounds: what is measured in alternating order, and the medians, spreads and ratios of it."""

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from statistics import median


def run_rounds(
    measures: Mapping[str, Callable[[], float]], rounds: int, unseen: int = 1
) -> dict[str, list[float]]:
    """Measure everything unseen, then in alternating rounds: every other goes backwards."""
    seen: dict[str, list[float]] = {name: [] for name in measures}
    for number in range(1 - unseen, 1 + rounds):
        for name in list(measures)[:: 1 if number % 2 else -1]:
            value = measures[name]()
            if number:
                seen[name].append(round(value, 2))
    return seen


def time_calls(call: Callable[[], object], seconds: float, min_calls: int) -> list[float]:
    """Return the seconds of each call, one after another: as many as fit, at least the minimum."""
    taken: list[float] = []
    started = time.perf_counter()
    while len(taken) < min_calls or time.perf_counter() - started < seconds:
        before = time.perf_counter()
        call()
        taken.append(time.perf_counter() - before)
    return taken


def take_medians(rounds: Sequence[Mapping[str, float]], names: Iterable[str]) -> dict[str, float]:
    """Return the median over the rounds of each of these measures."""
    return {name: round(median(one[name] for one in rounds), 2) for name in names}


def divide(one: float, by: float) -> float:
    """Return a ratio; 0 where the other side did nothing."""
    return round(one / by, 2) if by else 0.0
