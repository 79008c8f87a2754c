"""Errors of transformers' loaders become one CheckpointError; their progress bars are silenced."""

import sys
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager

from safetensors import SafetensorError

from app.errors import CheckpointError

MAX_REASON_LENGTH = 300
"""Characters of transformers' message that are quoted; some messages list all models."""

LOADER_ERRORS: tuple[type[Exception], ...] = (
    OSError,
    EOFError,
    ValueError,
    TypeError,
    LookupError,
    ArithmeticError,
    AttributeError,
    AssertionError,
    RuntimeError,
    ImportError,
    SafetensorError,
)
"""What transformers raises on damaged or mismatched configurations and weights."""


@contextmanager
def translate_loader_errors(
    subject: str, fix: str, error: type[CheckpointError] = CheckpointError
) -> Iterator[None]:
    """Run a loader silently; raises `error` if it fails.

    Args:
        subject: the beginning of the error, such as "the model of FOLDER cannot be loaded".
        fix: its last sentence, on how to fix it.
        error: its class.
    """
    try:
        with silence():
            yield
    except _list_errors() as exc:
        reason = textwrap.shorten(
            f"{type(exc).__name__}: {exc}", MAX_REASON_LENGTH, placeholder=" …"
        )
        raise error(f"{subject}: {reason.rstrip(' .:')}. {fix}") from exc


def _list_errors() -> tuple[type[Exception], ...]:
    """List LOADER_ERRORS, and huggingface_hub's own where it is loaded, which takes 0.2 s."""
    if "huggingface_hub" not in sys.modules:
        return LOADER_ERRORS
    from huggingface_hub.errors import StrictDataclassError  # noqa: PLC0415

    return (*LOADER_ERRORS, StrictDataclassError)


@contextmanager
def silence() -> Iterator[None]:
    """Switch off transformers' progress bars and warnings, where it is loaded."""
    if "transformers" not in sys.modules:  # importing it takes a second
        yield
        return
    from transformers.utils import logging  # noqa: PLC0415

    verbosity, has_bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(verbosity)
        if has_bars:
            logging.enable_progress_bar()
