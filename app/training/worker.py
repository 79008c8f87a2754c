"""What every worker of Ray Train runs: epochs, each ended by a checkpoint and its metrics."""

import logging
import math
import shutil
import tempfile
import time
from pathlib import Path
from typing import Any, NamedTuple

import torch

from app.classifier.checkpoint.files import PROCESSOR_CONFIG, open_checkpoint
from app.classifier.checkpoint.processor import load_processor
from app.classifier.checkpoint.weights import load_weights
from app.classifier.engines.network import Network, Normalizer
from app.machine import count_cores
from app.training.augmentation import build_augmentation
from app.training.backbone import freeze_backbone
from app.training.learner import Learner, Sums
from app.training.recipe import Recipe
from app.training.run_folder import START, TRAINING_STATE, write_metrics
from app.training.shard import Every, Shard
from app.training.start import save_model

NOT_FINITE, NO_BETTER = "not finite", "no better"
"""Why a run ended before its last epoch."""


class Progress(NamedTuple):
    """Where a run stands.

    Attributes:
        epoch: epochs that are done.
        best: the best accuracy so far.
        stale: epochs since then.
    """

    epoch: int = 0
    best: float = -1.0
    stale: int = 0

    def advance(self, accuracy: float) -> "Progress":
        """Add an epoch."""
        is_better = accuracy > self.best
        return Progress(
            self.epoch + 1, max(accuracy, self.best), 0 if is_better else self.stale + 1
        )


def run_worker(config: dict[str, Any]) -> str:
    """Train on one worker; gives why it ended early, or nothing.

    Args:
        config: `recipe`, and `folder`, the run's.
    """
    worker = _Worker(config["recipe"], Path(config["folder"]))
    progress = worker.resume()
    while progress.epoch < config["recipe"].options.epochs:
        patience = config["recipe"].options.patience
        if patience is not None and progress.stale >= patience:
            return NO_BETTER
        following = worker.run_epoch(progress)
        if following is None:
            return NOT_FINITE
        progress = following
    return ""


class _Worker:
    """One worker: its shards, its learner, and what it reports."""

    def __init__(self, recipe: Recipe, folder: Path) -> None:
        from ray import train  # noqa: PLC0415
        from ray.train.torch import get_device, prepare_model  # noqa: PLC0415

        for name in ("ray.train", "ray.data"):
            logging.getLogger(name).setLevel(logging.WARNING)
        context = train.get_context()
        self._rank, workers = context.get_world_rank(), context.get_world_size()
        torch.set_num_threads(max(1, count_cores() // context.get_local_world_size()))
        self._recipe, self._folder, device = recipe, folder, get_device()
        self._history: list[dict[str, float]] = []  # the metrics of every epoch
        checkpoint = open_checkpoint(str(folder / START))
        geometry, scaling = load_processor(checkpoint.processor_folder)
        module = load_weights(checkpoint)
        network = Network(module, Normalizer(scaling, device))
        freeze_backbone(module, recipe.options.freeze)
        shared = prepare_model(network) if workers > 1 else network.to(device)
        augment = build_augmentation(recipe.options.augment, geometry.size)
        self._learner = Learner(shared, augment, recipe, device)
        self._train = Shard(train.get_dataset_shard("train"), recipe.batch_size)
        every = Every(workers, self._rank)
        self._held_out = Shard(train.get_dataset_shard("held_out"), recipe.batch_size, every)

    def resume(self) -> Progress:
        """Go on from the newest checkpoint, if there is one."""
        from ray import train  # noqa: PLC0415

        progress, found = Progress(), train.get_checkpoint()
        if found is not None:
            with found.as_directory() as folder:
                state = torch.load(Path(folder) / TRAINING_STATE, weights_only=True)
            progress, self._history = Progress(*state["progress"]), state["history"]
            self._learner.load(state["learner"])
        if self._rank == 0:
            write_metrics(self._folder, self._history)
        return progress

    def run_epoch(self, progress: Progress) -> Progress | None:
        """Run the next epoch and report it; None where the loss is not finite any more."""
        started, rate = time.perf_counter(), self._learner.rate
        seed = self._recipe.options.seed * 1000 + progress.epoch
        torch.manual_seed(seed * 64 + self._rank)
        trained = _add(self._learner.run_epoch(self._train.read(seed)))
        held_out = _add(self._learner.evaluate(self._held_out.read()))
        metrics = {
            "epoch": progress.epoch + 1,
            "train_loss": trained.loss / max(1, trained.images),
            "loss": held_out.loss / max(1, held_out.images),
            "accuracy": held_out.right / max(1, held_out.images),
            "rate": rate,
            "seconds": time.perf_counter() - started,
        }
        # That of training is computed before the last step, which may break the network.
        if not all(math.isfinite(metrics[name]) for name in ("train_loss", "loss")):
            return None
        following = progress.advance(metrics["accuracy"])
        self._report(metrics, following)
        return following

    def _report(self, metrics: dict[str, float], progress: Progress) -> None:
        """Report an epoch with its checkpoint, which the first worker writes."""
        from ray import train  # noqa: PLC0415

        if self._rank:
            train.report(metrics)
            return
        self._history.append(metrics)
        with tempfile.TemporaryDirectory() as folder:
            self._write_checkpoint(Path(folder), progress)
            train.report(metrics, checkpoint=train.Checkpoint.from_directory(folder))
        write_metrics(self._folder, self._history)

    def _write_checkpoint(self, folder: Path, progress: Progress) -> None:
        """Write what a service takes, and what training needs to go on."""
        save_model(self._learner.unwrapped_network.module, folder)
        shutil.copyfile(self._folder / START / PROCESSOR_CONFIG, folder / PROCESSOR_CONFIG)
        state = {
            "progress": list(progress),
            "history": self._history,
            "learner": self._learner.save(),
        }
        torch.save(state, folder / TRAINING_STATE)


def _add(sums: Sums) -> Sums:
    """Add sums up over all workers."""
    if not torch.distributed.is_initialized():
        return sums
    from ray.train.torch import get_device  # noqa: PLC0415

    total = torch.tensor(sums, dtype=torch.float64, device=get_device())
    torch.distributed.all_reduce(total)
    return Sums(*total.tolist())
