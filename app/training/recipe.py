"""Numbers of training that are the same on every worker."""

import math
from dataclasses import dataclass

from app.errors import SettingsError
from app.training.options import TuneOptions

WARM_UP = 0.1
"""Share of the steps in which the learning rate rises to its peak."""

WEIGHT_DECAY = 0.05
MAX_GRADIENT = 1.0
"""Norm that gradients are clipped to."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """How one worker trains.

    Attributes:
        options: of the run.
        batch_size: images of one step of one worker.
        steps: of the whole run.
        weights: of each label in the loss; None where all weigh the same.
    """

    options: TuneOptions
    batch_size: int
    steps: int
    weights: tuple[float, ...] | None = None

    @property
    def warm_up_steps(self) -> int:
        """Steps in which the learning rate rises."""
        return max(1, round(WARM_UP * self.steps))


def make_recipe(options: TuneOptions, counts: list[int]) -> Recipe:
    """Make the recipe.

    Args:
        options: of the run.
        counts: training images of each label.

    Raises:
        SettingsError: a worker would have no image.
    """
    share = sum(counts) // options.workers
    if not share:
        message = f"--workers {options.workers} is more than the {sum(counts)} images to train on."
        raise SettingsError(message)
    batch_size = max(1, min(options.batch_size // options.workers, share))
    steps = options.epochs * math.ceil(share / batch_size)
    weights = weigh_labels(counts) if options.class_weights else None
    return Recipe(options, batch_size, steps, weights)


def weigh_labels(counts: list[int]) -> tuple[float, ...]:
    """Weigh labels so that each has the same part in the loss; their mean over images is 1."""
    total, present = sum(counts), sum(count > 0 for count in counts)
    return tuple(total / (present * count) if count else 0.0 for count in counts)
