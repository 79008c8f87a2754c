"""What Ray raises on the way to the classifier, told as one of our errors."""

import subprocess
import sys

from tests.support.service import ROOT, make_environment

SCRIPT = """
import grpc
from ray.exceptions import ActorDiedError, RayTaskError
from ray.serve.exceptions import BackPressureError, DeploymentUnavailableError
from ray.serve._private.common import DeploymentID
from app.deployments.handle_backend import _translate
from app.errors import ImageTooLargeError

def wrap(cause):
    return RayTaskError("predict", "SECRET traceback", cause)

for error in (
    wrap(ImageTooLargeError("ours")),
    wrap(RuntimeError("SECRET")),
    BackPressureError(num_queued_requests=1, max_queued_requests=1),
    ActorDiedError(),
    DeploymentUnavailableError(DeploymentID("Classifier")),
    grpc.RpcError("SECRET"),
):
    told = _translate(error)
    print(type(told).__name__, "SECRET" in str(told))
"""


def test_what_ray_raises_becomes_a_row_of_the_table() -> None:
    """Our own errors pass, a defect is internal, a full queue is overload, the rest unavailable."""
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT],
        cwd=ROOT,
        env=make_environment(),
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert done.stdout.splitlines() == [
        "ImageTooLargeError False",
        "InternalError False",
        "OverloadedError False",
        "ModelUnavailableError False",
        "ModelUnavailableError False",
        "ModelUnavailableError False",
    ]
