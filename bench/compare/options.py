"""What the command line asks for: which models, images, servers and loads."""

import argparse
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.kit.images import IMAGES
from bench.kit.models import MODELS

SERVERS = ("vitrine", "litserve", "fastapi", "silent")
CONCURRENCIES = (1, 16, 64)
SHARES = (0.5, 0.8)
OPEN_MODEL, OPEN_IMAGES = "digits", ("png", "jpeg")
QUICK = (
    *("--models", "digits", "--images", "png", "--servers", "vitrine,litserve"),
    *("--concurrency", "16", "--rounds", "1", "--seconds", "3", "--open-seconds", "0"),
)

Settings = Mapping[str, str]


@dataclass(frozen=True)
class Options:
    """One run of the benchmark.

    Attributes:
        variants: Vitrine once more for each, with those settings.
        folders: checkpoints of the user's own, beside ``models``.
        seconds: of each closed-loop cell.
        open_seconds: of each open-loop cell; 0 leaves them out.
        name: of the files that are written.
    """

    models: tuple[str, ...]
    folders: tuple[Path, ...]
    images: tuple[str, ...]
    servers: tuple[str, ...]
    variants: tuple[Settings, ...]
    concurrencies: tuple[int, ...]
    rounds: int
    seconds: int
    open_seconds: int
    name: str


def split_names(allowed: tuple[str, ...]) -> Callable[[str], tuple[str, ...]]:
    """Return what reads names between commas, each of them allowed."""

    def split(text: str) -> tuple[str, ...]:
        names = tuple(dict.fromkeys(name for name in text.split(",") if name))
        if strangers := set(names) - set(allowed):
            raise argparse.ArgumentTypeError(
                f"{', '.join(sorted(strangers))} is not one of {', '.join(allowed)}"
            )
        return names

    return split


def split_counts(text: str) -> tuple[int, ...]:
    """Read numbers of connections between commas."""
    return tuple(int(word) for word in text.split(","))


def split_settings(text: str) -> Settings:
    """Read ``VITRINE_A=x,VITRINE_B=y``."""
    pairs = [word.partition("=") for word in text.split(",")]
    if not all(name.startswith("VITRINE_") and equals for name, equals, _ in pairs):
        raise argparse.ArgumentTypeError(f"{text} is not like VITRINE_ENGINE=openvino")
    return {name: value for name, _, value in pairs}


def make_parser() -> argparse.ArgumentParser:
    """Return the parser; the whole matrix is its default."""
    parser = argparse.ArgumentParser(prog="python -m bench")
    add = parser.add_argument
    add("--models", type=split_names(MODELS), default=MODELS, help=",".join(MODELS))
    add("--model", type=Path, action="append", default=[], help="a checkpoint folder of your own")
    add("--images", type=split_names(IMAGES), default=IMAGES, help=",".join(IMAGES))
    add("--servers", type=split_names(SERVERS), default=SERVERS[:3], help=",".join(SERVERS))
    add(
        "--setting",
        type=split_settings,
        action="append",
        default=[],
        metavar="VITRINE_X=Y[,...]",
        help="one more Vitrine, with these settings; again for another one",
    )
    add("--concurrency", type=split_counts, default=CONCURRENCIES, help="1,16,64")
    add("--rounds", type=int, default=3)
    add("--seconds", type=int, default=4, help="of each closed-loop cell")
    add("--open-seconds", type=int, default=10, help="of each open-loop cell; 0 for none")
    add("--quick", action="store_true", help="the smallest cell alone")
    add("--name", help="of the files written; else matrix, quick, or part")
    return parser


def name_run(asked: argparse.Namespace, parser: argparse.ArgumentParser) -> str:
    """Return ``matrix`` when every cell is measured, ``quick`` when asked, else ``part``."""
    if asked.quick:
        return "quick"
    parts = ("models", "model", "images", "servers", "setting", "concurrency")
    whole = all(getattr(asked, part) == parser.get_default(part) for part in parts)
    return "matrix" if whole else "part"


def parse_options(words: Sequence[str] | None = None) -> Options:
    """Read the command line; ``--quick`` sets what the smallest cell needs, the rest may differ."""
    parser = make_parser()
    asked = parser.parse_args(words)
    if asked.quick:
        asked = parser.parse_args(words, parser.parse_args(QUICK))
    if not asked.servers and not asked.setting:
        parser.error("--servers names none")
    if not asked.models and not asked.model:
        parser.error("--models names none")
    return Options(
        models=asked.models,
        folders=tuple(asked.model),
        images=asked.images,
        servers=asked.servers,
        variants=tuple(asked.setting),
        concurrencies=asked.concurrency,
        rounds=asked.rounds,
        seconds=asked.seconds,
        open_seconds=asked.open_seconds,
        name=asked.name or name_run(asked, parser),
    )
