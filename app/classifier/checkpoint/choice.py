"""Which checkpoint of a training run to take: VITRINE_CHECKPOINT."""

from dataclasses import dataclass

NEWEST = "newest"

PATTERN = r"^(newest|best:(max:|min:)?[^\x00-\x1f\x7f]+)$"


@dataclass(frozen=True, slots=True)
class Choice:
    """The newest checkpoint, or the best one by a metric.

    Attributes:
        text: of the setting.
        metric: name of the metric, as it was reported; empty: the newest checkpoint.
        is_min: whether the lowest value is the best.
    """

    text: str = NEWEST
    metric: str = ""
    is_min: bool = False


def parse_choice(text: str) -> Choice:
    """Parse `newest`, `best:METRIC`, `best:max:METRIC` or `best:min:METRIC`, as of PATTERN.

    The highest value is the best unless `min` says otherwise, as in Ray's `CheckpointConfig`.
    """
    if text == NEWEST:
        return Choice()
    metric = text.removeprefix("best:")
    is_min = metric.startswith("min:")
    return Choice(text, metric.removeprefix("min:" if is_min else "max:"), is_min)
