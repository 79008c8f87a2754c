"""What a reload of the checkpoint came to. It knows no Ray, so that any caller can read it."""

from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple


class ReloadOutcome(NamedTuple):
    """What a reload came to on one classifier replica.

    Attributes:
        replica: its id; None when it gave no answer.
        revision: of the model that it serves now; None when it gave no answer.
        error: why it serves the model that it served before; None when it has loaded the new one.
    """

    replica: str | None
    revision: str | None
    error: str | None


def describe_outcomes(outcomes: Sequence[ReloadOutcome]) -> str:
    """Describe a reload in one line: how many replicas loaded what, and why others did not."""
    loaded = Counter(one.revision for one in outcomes if one.error is None)
    parts = [
        f"{count} of {len(outcomes)} classifiers loaded {revision}"
        for revision, count in loaded.items()
    ]
    parts += [
        f"classifier {one.replica or '(no id)'} did not load it: {one.error}"
        for one in outcomes
        if one.error is not None
    ]
    return "; ".join(parts)
