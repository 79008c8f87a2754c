"""What a run is told: the options of `vitrine tune`."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

Augment = Literal["standard", "light", "none"]

BASE_RATE, SCRATCH_RATE = 1e-4, 1e-3
"""Peak learning rates: of a model that was trained before, and of one that was not."""

EPOCHS, BATCH_SIZE, HOLDOUT = 10, 32, 0.2
"""Defaults."""

_FREE = ("out", "workers", "address")
"""What may change when a run goes on."""


@dataclass(frozen=True, slots=True)
class TuneOptions:
    """The options of one run.

    Attributes:
        dataset: folder, Parquet or CSV.
        out: folder of the run.
        base: folder or Hub id of the model to start from; None for a small one from scratch.
        column: of a table, that holds paths or bytes.
        label_column: of a table, that holds labels.
        holdout: share of the images to hold out where the dataset is not split, 0 to 1.
        seed: of the split, of a new head and of the order of the images.
        epochs: how often each image is seen.
        rate: peak learning rate; None for BASE_RATE or SCRATCH_RATE.
        batch_size: images of one step, on all workers together.
        accumulate: parts that a step is computed in, each with its share of the images.
        freeze: blocks of the backbone that do not learn; `all` for the whole backbone.
        augment: how images are varied.
        smoothing: of labels, 0 to below 1.
        class_weights: let each label weigh the same, however many images it has.
        patience: epochs without a better accuracy after which the run stops; None for no stop.
        workers: processes that train.
        address: of the Ray cluster; None for this machine.
    """

    dataset: str
    out: Path
    base: str | None = None
    column: str | None = None
    label_column: str | None = None
    holdout: float = HOLDOUT
    seed: int = 0
    epochs: int = EPOCHS
    rate: float | None = None
    batch_size: int = BATCH_SIZE
    accumulate: int = 1
    freeze: int | Literal["all"] = 0
    augment: Augment = "standard"
    smoothing: float = 0.0
    class_weights: bool = False
    patience: int | None = None
    workers: int = 1
    address: str | None = None

    @property
    def peak_rate(self) -> float:
        """The peak learning rate."""
        return self.rate or (SCRATCH_RATE if self.base is None else BASE_RATE)

    def describe(self) -> dict[str, object]:
        """Describe what must stay the same when the run goes on."""
        return {name: value for name, value in asdict(self).items() if name not in _FREE}
