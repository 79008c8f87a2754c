"""Numbers of the command line; argparse tells what they refuse."""

import argparse
import math

MAX_SEED = 2**32 - 1
"""Of NumPy's older generators, which Ray Data shuffles with."""


def read_count(text: str) -> int:
    """Read a whole number of at least 1."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text} is not at least 1")
    return int(text)


def read_seed(text: str) -> int:
    """Read a whole number of at least 0 that NumPy takes as a seed."""
    if not text.isdecimal() or (number := int(text)) > MAX_SEED:
        raise argparse.ArgumentTypeError(f"{text} is no whole number from 0 to {MAX_SEED}")
    return number


def read_positive(text: str) -> float:
    """Read a finite number above 0."""
    if not 0 < (number := _read(text)) < math.inf:
        raise argparse.ArgumentTypeError(f"{text} is not above 0")
    return number


def read_share(text: str) -> float:
    """Read a number from 0 to 1."""
    if not 0 <= (number := _read(text)) <= 1:
        raise argparse.ArgumentTypeError(f"{text} is not between 0 and 1")
    return number


def read_part(text: str) -> float:
    """Read a number from 0 to below 1."""
    if not 0 <= (number := _read(text)) < 1:
        raise argparse.ArgumentTypeError(f"{text} is not at least 0 and below 1")
    return number


def _read(text: str) -> float:
    """Read a number."""
    try:
        return float(text)
    except ValueError as exc:
        raise argparse.ArgumentTypeError(f"{text} is no number") from exc
