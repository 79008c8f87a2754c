"""The arithmetic of an image processor. It knows no library, so that engines need none for it."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Scaling:
    """The arithmetic part of a processor: `(value * factor - mean) / std` for each channel.

    Attributes:
        factor: such as 1/255, or None for no scaling.
        mean: of each channel, or None for no normalisation.
        std: of each channel, or None with `mean`.
    """

    factor: float | None
    mean: tuple[float, ...] | None
    std: tuple[float, ...] | None
