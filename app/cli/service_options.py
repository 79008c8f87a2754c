"""The options of the commands that ask a running service: `vitrine load` and `vitrine top`."""

import argparse
import os
from pathlib import Path

KEY_VARIABLE = "VITRINE_API_KEY"

MAX_RATES, MAX_RATE = 20, 100_000.0
MAX_DURATION_S, MAX_CONNECTIONS = 3600.0, 10_000


def add_load(command: argparse.ArgumentParser) -> None:
    """Add the options of `vitrine load`."""
    add = command.add_argument
    add("url", metavar="URL", help="service, such as http://127.0.0.1:8000 (path: /predict)")
    add("images", nargs="+", type=Path, metavar="IMAGE", help="images, or folders of images")
    help_ = "requests a second, several with commas (default: 25 to 110%% of what it can do)"
    add("--rate", metavar="RATES", type=_read_rates, default=(), help=help_)
    help_ = "connections that are open at most (default: 512)"
    add("--connections", metavar="N", type=_read_connections, default=512, help=help_)
    help_ = "of each rate (default: 10)"
    add("--duration", metavar="SECONDS", type=_read_duration, default=10.0, help=help_)
    help_ = "within which 99%% of the requests should be answered (default: 0.25)"
    add("--target", metavar="SECONDS", type=_read_duration, default=0.25, help=help_)
    help_ = "until a request is given up (default: 30)"
    add("--timeout", metavar="SECONDS", type=_read_duration, default=30.0, help=help_)
    add("--json", action="store_true", help="print the report as one JSON object")
    help_ = "draw the report into a .png, .svg or .pdf (needs vitrine[plot])"
    add("--plot", metavar="FILE", type=Path, help=help_)
    _add_key(command)


def add_top(command: argparse.ArgumentParser) -> None:
    """Add the options of `vitrine top`."""
    add = command.add_argument
    help_ = "service (default: http://127.0.0.1:8000)"
    add("url", metavar="URL", nargs="?", default="http://127.0.0.1:8000", help=help_)
    help_ = "between two looks at /metrics (default: 2)"
    add("--interval", metavar="SECONDS", type=_read_interval, default=2.0, help=help_)
    help_ = "print one table and end, as without a terminal"
    add("--once", action="store_true", help=help_)
    _add_key(command)


def _add_key(command: argparse.ArgumentParser) -> None:
    """Add the key of the service, whose default is read when the command runs."""
    help_ = f"key of the service; {KEY_VARIABLE} keeps it from those who see the command line"
    command.add_argument("--key", default=None, help=help_)


def read_key(given: str | None) -> str | None:
    """Read the key: the option comes before the environment; an empty one is none."""
    return given or os.environ.get(KEY_VARIABLE) or None


def _read_rates(text: str) -> tuple[float, ...]:
    """Read rates, in the order in which they are measured."""
    rates = tuple(_read_number(one, 0.1, MAX_RATE) for one in text.split(","))
    if len(rates) > MAX_RATES:
        raise argparse.ArgumentTypeError(f"more than {MAX_RATES} rates")
    return rates


def _read_connections(text: str) -> int:
    """Read a number of connections."""
    return int(_read_number(text, 1, MAX_CONNECTIONS))


def _read_duration(text: str) -> float:
    """Read seconds."""
    return _read_number(text, 0.001, MAX_DURATION_S)


def _read_interval(text: str) -> float:
    """Read seconds between two looks; each look makes all replicas count up."""
    return _read_number(text, 0.5, MAX_DURATION_S)


def _read_number(text: str, least: float, most: float) -> float:
    """Read a number within bounds; NaN is in none."""
    try:
        number = float(text)
    except ValueError as exc:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number") from exc
    if not least <= number <= most:
        raise argparse.ArgumentTypeError(f"{text} is not from {least:g} to {most:g}")
    return number
