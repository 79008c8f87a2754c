"""The cluster, by the HTTP address of its head node: Ray's own clients, their errors made ours.

They take the token from where Ray does: RAY_AUTH_TOKEN, RAY_AUTH_TOKEN_PATH, ~/.ray/auth_token.
"""

import contextlib
import json
import shlex
import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict

from ray.dashboard.modules.serve.sdk import ServeSubmissionClient
from ray.exceptions import AuthenticationError
from ray.job_submission import JobSubmissionClient
from ray.util.state import get_actor
from ray.util.state.exception import RayStateApiException

from app.deployments.rollout.inspection import give_reason, parse_reports
from app.deployments.rollout.node import NodeQuestion, NodeReport
from app.deployments.rollout.progress import ServeDetails
from app.errors import RolloutError

_START_S = 60
"""Seconds for a job to start."""

_POLL_S = 0.2

_ENTRYPOINT = (
    'raylet=$(sed -n "s/^PPid:[^0-9]*//p" /proc/$PPID/status) && '
    r"""python=$(tr '\0' '\n' < /proc/$raylet/cmdline | """
    r"""sed -n 's/^--python_worker_command=\([^ ]*\) .*/\1/p'); """
    'cd / && "${python:-python}" -m app.deployments.rollout.inspection'
)
"""The shell in which Ray starts a job may find another Python than Ray's own, or none: this asks
the raylet, which is the parent of the shell's parent, for the one that it starts workers with. It
leaves the folder that Ray was started in, because Ray would have all nodes look for modules there,
which it does not for Serve."""


class Cluster:
    """A cluster, which must answer.

    Raises:
        RolloutError: from each method; the cluster does not answer, or refuses.
    """

    def __init__(self, address: str) -> None:
        self._address = address
        with self._translate():
            self._serve = ServeSubmissionClient(address)

    def read_details(self) -> ServeDetails:
        """Read what Serve tells of itself; no `http_options` where Serve does not run."""
        with self._translate():
            details: ServeDetails = self._serve.get_serve_details()
        return details

    def deploy(self, document: Mapping[str, object]) -> None:
        """Have Serve start the rollout."""
        with self._translate():
            self._serve.deploy_applications(document)

    def read_variables(self, details: ServeDetails) -> dict[str, str]:
        """Read the variables that the Serve that runs was started with."""
        with self._translate():
            actor = get_actor(details["controller_info"]["actor_id"], address=self._address)
        runtime_env = json.loads(actor.serialized_runtime_env or "{}") if actor else {}
        return dict(runtime_env.get("env_vars") or {})

    def inspect(
        self, question: NodeQuestion, runtime_env: Mapping[str, object], timeout_s: float
    ) -> list[NodeReport]:
        """Ask every node, by a job that runs in `runtime_env` and is deleted afterwards."""
        entrypoint = f"{_ENTRYPOINT} {shlex.quote(json.dumps(asdict(question)))} {timeout_s}"
        with self._translate():
            client = JobSubmissionClient(self._address)
            job = client.submit_job(entrypoint=entrypoint, runtime_env=dict(runtime_env))
            try:
                logs = _wait_for_logs(client, job, timeout_s + _START_S)
            finally:
                _remove(client, job)
        reports = parse_reports(logs)
        if not reports:
            lines = logs.strip().splitlines() or ["it wrote nothing"]
            raise RolloutError(f"The nodes of {self._address} cannot be asked: {lines[-1]}")
        return reports

    @contextlib.contextmanager
    def _translate(self) -> Iterator[None]:
        """Translate what Ray's clients raise into one line."""
        try:
            yield
        except AuthenticationError as exc:
            message = (
                f"{self._address} refuses the token. Set RAY_AUTH_MODE=token and RAY_AUTH_TOKEN, "
                "or RAY_AUTH_TOKEN_PATH, as on its nodes."
            )
            raise RolloutError(message) from exc
        except OSError as exc:  # those of requests are, too
            message = f"{self._address} does not answer. Is it the dashboard of the head node?"
            raise RolloutError(message) from exc
        except (RuntimeError, ValueError, RayStateApiException) as exc:
            raise RolloutError(f"{self._address}: {give_reason(exc)}") from exc


def _wait_for_logs(client: JobSubmissionClient, job: str, timeout_s: float) -> str:
    """Wait until a job has ended, for a while; gives what it wrote."""
    deadline = time.monotonic() + timeout_s
    while not client.get_job_status(job).is_terminal() and time.monotonic() < deadline:
        time.sleep(_POLL_S)
    logs: str = client.get_job_logs(job)
    return logs


def _remove(client: JobSubmissionClient, job: str) -> None:
    """Stop a job that runs still, and remove what is kept of it."""
    if not client.get_job_status(job).is_terminal():
        client.stop_job(job)
        _wait_for_logs(client, job, _START_S)
    client.delete_job(job)
