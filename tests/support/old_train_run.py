"""A run of Ray Train V1, the layout of 2023, as the real one writes it; run in its own process.

`RAY_TRAIN_V2_ENABLED=0 python -m tests.support.old_train_run CHECKPOINT FOLDER` reports copies of
a checkpoint, whose labels tell the epoch, into FOLDER.
"""

import logging
import sys
import tempfile
from pathlib import Path

import ray
from ray import train
from ray.train.torch import TorchTrainer

from tests.support.checkpoints import copy_checkpoint, edit_json

EPOCHS = 2


def report_copies(config: dict[str, str]) -> None:
    """Report a checkpoint an epoch."""
    for epoch in range(EPOCHS):
        with tempfile.TemporaryDirectory() as temporary:
            folder = copy_checkpoint(Path(config["checkpoint"]), Path(temporary) / "copy")
            edit_json(folder / "config.json", id2label={str(i): f"{epoch}-{i}" for i in range(10)})
            checkpoint = train.Checkpoint.from_directory(folder)
            train.report({"accuracy": 1.0 - epoch}, checkpoint=checkpoint)


def main(checkpoint: str, folder: str) -> None:
    """Run Ray Train V1."""
    ray.init("local", include_dashboard=False, log_to_driver=False, logging_level=logging.ERROR)
    TorchTrainer(
        report_copies,
        train_loop_config={"checkpoint": str(Path(checkpoint).absolute())},
        scaling_config=train.ScalingConfig(num_workers=1),
        run_config=train.RunConfig(storage_path=folder, verbose=0),
    ).fit()
    ray.shutdown()


if __name__ == "__main__":
    main(*sys.argv[1:])
