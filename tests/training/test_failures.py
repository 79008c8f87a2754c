"""What a failure of a run means to its user."""

import errno
from pathlib import Path

import pytest
import torch
from ray.exceptions import OutOfDiskError, RayError, RayTaskError
from ray.train import ControllerError
from ray.train.v2._internal.exceptions import WorkerGroupStartupTimeoutError
from safetensors import SafetensorError

from app.errors import CheckpointError, DatasetError, StartupError
from app.training.failures import explain_failure, explain_failures

FULL = "The disk is full"


class TrainError(RuntimeError):
    """An error as Ray Train's: it holds those of its workers."""

    def __init__(self, *failures: Exception) -> None:
        super().__init__("Training failed due to worker errors:\n[Rank 0]\nTraceback ...")
        self.worker_failures = dict(enumerate(failures))


def wrap(cause: Exception) -> RayTaskError:
    """Wrap an error as Ray does that of a task."""
    text = f"Traceback ...\nray::map()\n{type(cause).__name__}: {cause}"
    error = RayTaskError("map", text, cause).as_instanceof_cause()
    assert isinstance(error, RayTaskError)
    return error


@pytest.mark.parametrize(
    ("failure", "words"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), FULL),
        (RuntimeError("[Errno 28] No space left on device"), FULL),
        (RuntimeError("CUDA out of memory. Tried to allocate 2 GiB"), "smaller --batch-size"),
        (ValueError("a\nshape mismatch"), "Training failed: shape mismatch"),
        (CheckpointError("no weights"), "no weights"),
    ],
)
def test_a_failure_is_one_line_that_says_what_to_do(failure: Exception, words: str) -> None:
    """Whatever a worker raised, the user gets no traceback."""
    message = str(explain_failure(TrainError(failure), "Training failed"))
    assert words in message
    assert "\n" not in message


def test_workers_that_find_no_room_are_one_line() -> None:
    """A cluster that others use has its own line."""
    failure = ControllerError(WorkerGroupStartupTimeoutError(3))
    message = str(explain_failure(failure, "Training failed"))
    assert message.startswith("The cluster has no room for the workers.")


def test_a_disk_that_is_full_for_torch_is_told() -> None:
    """torch.save says only at which byte it stands."""
    with pytest.raises(RuntimeError) as caught:
        torch.save({"a": torch.zeros(300_000)}, Path("/dev/full"))
    assert str(explain_failure(caught.value, "Training failed")).startswith(FULL)


@pytest.mark.parametrize(
    ("failure", "words"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), FULL),
        (SafetensorError("I/O error: No space left on device (os error 28)"), FULL),
        (OutOfDiskError("full"), FULL),
        (
            PermissionError(errno.EACCES, "Permission denied", "/a/b"),
            "denied: '/a/b'. Run the same",
        ),
        (RayError("actor died\nbecause of this."), "The run failed: because of this. Run the same"),
        (
            wrap(DatasetError("a.png cannot be read, as others.")),
            "a.png cannot be read, as others.",
        ),
    ],
)
def test_disks_and_ray_may_fail_at_any_time_of_a_run(failure: Exception, words: str) -> None:
    """Before and after training, too, there is one line and no traceback."""
    with pytest.raises(StartupError) as caught, explain_failures():
        raise failure
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_defect_of_ours_stays_one() -> None:
    """What is no failure of a disk or of Ray has its traceback."""
    with pytest.raises(ValueError, match="defect"), explain_failures():
        raise ValueError("defect")
