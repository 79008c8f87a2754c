"""The span of a batch, which its calls link to: it goes back to them with their scores."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import chain
from typing import TYPE_CHECKING

from app.backend import Group, Scored

if TYPE_CHECKING:
    from app.observability.spans import Tracing


def trace_batch(
    tracing: "Tracing", began: float, groups: Sequence[Group], scored: list[Scored]
) -> list[Scored]:
    """Write the span of a batch that has ended now, where a call of it is traced.

    Args:
        tracing: writes it.
        began: by `perf_counter`.
        groups: of the batch.
        scored: the result of each.

    Returns:
        The results, which name the span.
    """
    traced = list(chain.from_iterable(group.traceparents for group in groups))
    if not traced:
        return scored
    name = tracing.write_batch(began, sum(len(group.pixels) for group in groups), traced)
    return [
        replace(one, traceparent=name) if group.traceparents else one
        for group, one in zip(groups, scored, strict=True)
    ]
