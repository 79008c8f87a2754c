"""`vitrine tune`: its options, and what it does."""

import argparse
import sys
from functools import partial
from pathlib import Path
from typing import Any

from app.cli.numbers import read_count, read_part, read_positive, read_seed
from app.settings import Settings


def tune_model(settings: Settings, **options: Any) -> int:  # noqa: ANN401 - those of add_tune
    """Tune a model on labelled images, with Ray Train, into a folder that `serve` takes."""
    from app.training.options import TuneOptions  # noqa: PLC0415
    from app.training.tune import tune_model as tune  # noqa: PLC0415

    say = partial(print, file=sys.stdout, flush=True)  # Ray prints to what it is meanwhile
    tune(settings, TuneOptions(**options), say)
    return 0


def add_tune(command: argparse.ArgumentParser) -> None:
    """Add the options of `vitrine tune`."""
    add = command.add_argument
    add("dataset", metavar="DATASET", help="folder LABEL/IMAGE or train/LABEL/IMAGE; Parquet, CSV")
    help_ = "folder of the run; the same command goes on with a run that was stopped"
    add("--out", type=Path, metavar="RUN", required=True, help=help_)
    help_ = "folder or Hub id of a model to start from (default: a small one from scratch)"
    add("--base", metavar="MODEL", help=help_)
    add("--column", metavar="NAME", help="of a table: paths, or bytes of images")
    add("--label-column", metavar="NAME", help="of a table: labels")
    help_ = "of the images to hold out, if DATASET is not split (default: 0.2)"
    add("--holdout", metavar="SHARE", type=read_part, default=0.2, help=help_)
    add("--seed", metavar="N", type=read_seed, default=0, help="of all that is random")
    _add_recipe(command)
    help_ = "processes that train, each on a GPU where there are as many (default: 1)"
    add("--workers", metavar="N", type=read_count, default=1, help=help_)
    help_ = "Ray cluster of this node to run on, such as auto (default: this machine)"
    add("--address", metavar="ADDRESS", help=help_)


def _add_recipe(command: argparse.ArgumentParser) -> None:
    """Add the options of training itself."""
    add = command.add_argument_group("training").add_argument
    add("--epochs", metavar="N", type=read_count, default=10, help="over all images (default: 10)")
    help_ = "peak learning rate (default: 1e-4, from scratch 1e-3)"
    add("--lr", metavar="RATE", type=read_positive, dest="rate", help=help_)
    help_ = "images of a step, on all workers together (default: 32)"
    add("--batch-size", metavar="N", type=read_count, default=32, help=help_)
    help_ = "parts of a step, computed one by one in less memory (default: 1)"
    add("--accumulate", metavar="N", type=read_count, default=1, help=help_)
    help_ = "blocks of the base that do not learn, or all (default: 0)"
    add("--freeze", metavar="N", type=_read_freeze, default=0, help=help_)
    help_ = "standard: crops, mirrors, TrivialAugment; light: small moves, for digits and letters"
    names = ("standard", "light", "none")
    add("--augment", choices=names, default="standard", help=f"{help_} (default: standard)")
    help_ = "share of each label that is spread over all (default: 0)"
    add(
        "--label-smoothing",
        metavar="SHARE",
        type=read_part,
        default=0.0,
        dest="smoothing",
        help=help_,
    )
    add("--class-weights", action="store_true", help="let rare labels weigh as much as others")
    help_ = "epochs without a better accuracy, after which it stops (default: never)"
    add("--patience", metavar="N", type=read_count, help=help_)


def _read_freeze(text: str) -> int | str:
    """Read a number of blocks, or `all`."""
    if text != "all" and not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text} is neither a number of blocks nor all")
    return text if text == "all" else int(text)
