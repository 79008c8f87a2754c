"""What the command line asks for: which models, images, servers and loads."""

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path

from bench.kit.images import IMAGES
from bench.kit.models import MODELS

SERVERS = ("vitrine", "litserve", "fastapi", "scaled", "int8")
MATRIX = {
    "digits": (IMAGES, ("vitrine", "litserve", "fastapi", "scaled")),
    "tiny": (("jpeg",), ("vitrine", "litserve")),
    "base": (("jpeg",), ("vitrine", "litserve", "int8")),
}
"""The images and servers of each model, where the command line names none; a folder of the user's
own gets those of ``tiny``."""

CONNECTIONS, LARGE_CONNECTIONS = (1, 16, 64), (16,)
QUICK = (
    *("--models", "digits", "--images", "png", "--servers", "vitrine,litserve"),
    *("--concurrency", "16", "--rounds", "1", "--seconds", "3", "--open-seconds", "0"),
)


Options = argparse.Namespace


def split_names(allowed: tuple[str, ...]) -> Callable[[str], tuple[str, ...]]:
    """Return what reads names between commas, each of them allowed."""

    def split(text: str) -> tuple[str, ...]:
        names = tuple(dict.fromkeys(name for name in text.split(",") if name))
        if unknown := set(names) - set(allowed):
            raise argparse.ArgumentTypeError(
                f"{', '.join(sorted(unknown))} is not one of {', '.join(allowed)}"
            )
        return names

    return split


def split_numbers(text: str) -> tuple[int, ...]:
    """Read ``1,16,64``."""
    return tuple(map(int, text.split(",")))


def split_settings(text: str) -> dict[str, str]:
    """Read ``VITRINE_A=x,VITRINE_B=y``."""
    pairs = [word.partition("=") for word in text.split(",")]
    if not all(name.startswith("VITRINE_") and equals for name, equals, _ in pairs):
        raise argparse.ArgumentTypeError(f"{text} is not like VITRINE_ENGINE=openvino")
    return {name: value for name, _, value in pairs}


def make_parser() -> argparse.ArgumentParser:
    """Return the parser; the whole matrix is its default. None is what the matrix has."""
    parser = argparse.ArgumentParser(prog="python -m bench")
    add = parser.add_argument
    add("--models", type=split_names(MODELS), default=MODELS, help=",".join(MODELS))
    add("--model", type=Path, action="append", default=[], help="a checkpoint folder of your own")
    add("--images", type=split_names(IMAGES), help=",".join(IMAGES))
    add("--servers", type=split_names(SERVERS), help=",".join(SERVERS))
    setting = "VITRINE_X=Y[,...]"
    more = "one more Vitrine, with these settings; again for another one"
    add("--setting", type=split_settings, action="append", default=[], metavar=setting, help=more)
    add("--concurrency", type=split_numbers, help="1,16,64")
    add("--rounds", type=int, default=5)
    add("--seconds", type=int, default=4, help="of each closed-loop cell")
    add("--open-seconds", type=int, default=6, help="of each open-loop cell; 0 for none")
    add("--quick", action="store_true", help="the smallest cell alone")
    add("--name", help="of the files written; else matrix, quick, or part")
    return parser


def parse_options(words: Sequence[str] | None = None) -> Options:
    """Read the command line; ``--quick`` sets what the smallest cell needs, the rest may differ."""
    parser = make_parser()
    options = parser.parse_args(words)
    if options.quick:
        options = parser.parse_args(words, parser.parse_args(QUICK))
    if options.servers == () and not options.setting:
        parser.error("--servers names none")
    if not options.models and not options.model:
        parser.error("--models names none")
    parts = ("models", "model", "images", "servers", "setting", "concurrency")
    is_whole = all(getattr(options, part) == parser.get_default(part) for part in parts)
    name = "quick" if options.quick else "matrix" if is_whole else "part"
    options.name = options.name or name
    return options


def narrow(options: Options, model: str) -> Options:
    """Return the options of one model: its part of the matrix where the command line is silent."""
    images, servers = MATRIX.get(model, MATRIX["tiny"])
    mine = argparse.Namespace(**vars(options))
    mine.images = images if options.images is None else options.images
    mine.servers = servers if options.servers is None else options.servers
    return mine


def choose_connections(options: Options, image: str) -> tuple[int, ...]:
    """Return over how many connections an image is sent; large ones take long."""
    wanted: tuple[int, ...] | None = options.concurrency
    return wanted or (LARGE_CONNECTIONS if image == "12mp" else CONNECTIONS)
