"""Do the servers say the same? Compared is what each names first, with a tolerance.

The random weights know near ties: a rounding elsewhere can swap two labels, so the label that one
server names first must be among the first of the other, with the same score.
"""

from bench.compare.summary import Turn
from bench.kit.servers import BenchError, Scores

TOLERANCE = 1e-3


def find_difference(one: Scores, other: Scores) -> float:
    """Return how far apart the scores are of the label that either names first; 1 if unnamed."""
    leaders = (max(scores, key=lambda label: scores[label]) for scores in (one, other))
    return max(
        abs(one[label] - other[label]) if label in one and label in other else 1.0
        for label in leaders
    )


def check_answers(turns: list[Turn]) -> dict[str, float]:
    """Return the largest difference of each server from the first one, over all pictures.

    Raises:
        BenchError: it is larger than the tolerance, where the scores must be the same.
    """
    first, *others = turns
    worst: dict[str, float] = {}
    for turn in others:
        for picture, scores in turn.answers.items():
            difference = find_difference(first.answers[picture], scores)
            worst[turn.name] = max(worst.get(turn.name, 0.0), difference)
            if turn.running.server.is_exact and difference > TOLERANCE:
                raise BenchError(
                    f"{turn.model}, {picture}: {first.name} says {first.answers[picture]}, "
                    f"{turn.name} says {scores}: they do not serve the same"
                )
    return worst
