"""The outcome of a reload of the checkpoint. It knows no Ray, so that any caller can read it."""

from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple


class ReloadOutcome(NamedTuple):
    """The outcome of a reload on one classifier replica.

    Attributes:
        replica: its id; None when it gave no answer.
        revision: of the model that it serves now; None when it gave no answer.
        error: why it serves the model that it served before; None when it has loaded the new one.
    """

    replica: str | None
    revision: str | None
    error: str | None


def describe_outcomes(outcomes: Sequence[ReloadOutcome], replicas: int) -> str:
    """Describe a reload of the replicas in one line: who loaded what, and why others did not."""
    loaded = Counter(one.revision for one in outcomes if one.error is None)
    parts = [
        f"{count} of {replicas} classifiers loaded {revision}" for revision, count in loaded.items()
    ]
    parts += [
        f"classifier {one.replica or '(no id)'} did not load it: {one.error}"
        for one in outcomes
        if one.error is not None
    ]
    if (missing := replicas - len(outcomes)) > 0:
        parts.append(f"{missing} did not run and may serve the old files: reload again")
    return "; ".join(parts)
