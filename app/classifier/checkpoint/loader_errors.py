"""A guard around transformers' loaders: silence, and one line on what a bad file makes them raise.

It does not know what they load.
"""

import textwrap
from collections.abc import Iterator
from contextlib import contextmanager

from huggingface_hub.errors import StrictDataclassError
from safetensors import SafetensorError
from transformers.utils import logging

from app.errors import CheckpointError

MAX_REASON_LENGTH = 300
"""Characters of transformers' own words that are quoted; some of its messages list all models."""

LOADER_ERRORS = (
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
    StrictDataclassError,
)
"""What transformers raises on configurations and weights that are damaged or do not belong."""


@contextmanager
def translate_loader_errors(subject: str, fix: str) -> Iterator[None]:
    """Run a loader in silence.

    Args:
        subject: what is wrong when it fails, such as "the model of FOLDER cannot be loaded".
        fix: a sentence on how to fix it.

    Raises:
        CheckpointError: the loader failed.
    """
    try:
        with silence():
            yield
    except LOADER_ERRORS as exc:
        reason = textwrap.shorten(
            f"{type(exc).__name__}: {exc}", MAX_REASON_LENGTH, placeholder=" …"
        )
        message = f"{subject}: {reason.rstrip(' .:')}. {fix}"
        raise CheckpointError(message) from exc


@contextmanager
def silence() -> Iterator[None]:
    """Switch off transformers' progress bars and reports; its errors are told in our words."""
    verbosity, has_bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(verbosity)
        if has_bars:
            logging.enable_progress_bar()
