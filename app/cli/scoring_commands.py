"""`vitrine score`: its options, and what it does."""

import argparse
import re

from app.cli.numbers import read_count
from app.errors import SettingsError
from app.settings import Settings


def score_images(settings: Settings, **given: object) -> int:
    """Score any number of images into a folder of Parquet, CSV or JSON lines."""
    from importlib.util import find_spec  # noqa: PLC0415

    if find_spec("pyarrow") is None:
        raise SettingsError("vitrine score needs Ray Data: run `pip install 'vitrine[data]'`.")
    from app.scoring.options import ScoreOptions  # noqa: PLC0415
    from app.scoring.run import score_images as score  # noqa: PLC0415

    inputs = tuple(map(str, given.pop("inputs")))  # type: ignore[call-overload] # a list of them
    return score(settings, ScoreOptions(inputs, **given))  # type: ignore[arg-type] # from argparse


def add_score(command: argparse.ArgumentParser) -> None:
    """Add the options of `vitrine score`."""
    add = command.add_argument
    help_ = "files, folders, patterns, tables (Parquet, CSV) or URIs (s3://, gs://)"
    add("inputs", nargs="+", metavar="INPUT", help=help_)
    add("--out", metavar="FOLDER", required=True, help="folder or URI to write to")
    help_ = "column of the tables: of paths, or in Parquet of bytes"
    add("--column", metavar="NAME", help=help_)
    help_ = "of the rows (default: parquet)"
    add("--format", choices=("parquet", "csv", "jsonl"), default="parquet", help=help_)
    help_ = "best labels of an image (default: 5)"
    add("--top-k", metavar="N", type=read_count, default=5, help=help_)
    add("--scores", action="store_true", help="write the scores of all labels, too")
    add("--logits", action="store_true", help="write the logits, too")
    help_ = "images of a file of rows, which a stop repeats at most (default: 1000)"
    add("--part-rows", metavar="N", type=read_count, default=1000, help=help_)
    help_ = "stop when more images have a problem: a number, or a share of all such as 1%%"
    add("--max-problems", metavar="N|N%", type=_read_limit, help=help_)
    help_ = "Ray cluster of this node to run on, such as auto (default: this machine)"
    add("--address", metavar="ADDRESS", help=help_)
    add("--overwrite", action="store_true", help="score anew what is in FOLDER already")


def _read_limit(text: str) -> str:
    """Read a number, or a share in percent."""
    if not re.fullmatch(r"\d+|\d+(\.\d+)?%", text, re.ASCII):
        raise argparse.ArgumentTypeError(f"{text} is neither a number nor a share such as 1%")
    return text
