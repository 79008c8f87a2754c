"""What a failure of training means to its user."""

import errno

import pytest

from app.training.trainer import explain_failure


class TrainError(RuntimeError):
    """An error as Ray Train's: it holds those of its workers."""

    def __init__(self, *failures: Exception) -> None:
        super().__init__("Training failed due to worker errors:\n[Rank 0]\nTraceback ...")
        self.worker_failures = dict(enumerate(failures))


@pytest.mark.parametrize(
    ("failure", "words"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), "The disk is full"),
        (RuntimeError("[Errno 28] No space left on device"), "The disk is full"),
        (RuntimeError("CUDA out of memory. Tried to allocate 2 GiB"), "smaller --batch-size"),
        (ValueError("a\nshape mismatch"), "shape mismatch"),
    ],
)
def test_a_failure_is_one_line_that_says_what_to_do(failure: Exception, words: str) -> None:
    """Whatever a worker raised, the user gets no traceback."""
    message = str(explain_failure(TrainError(failure)))
    assert words in message
    assert "\n" not in message
