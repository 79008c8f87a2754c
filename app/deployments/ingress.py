"""The ingress: the doors over the core, on Ray Serve. No torch in this process."""

from functools import partial
from pathlib import Path

from fastapi import FastAPI
from ray import serve
from ray.serve.handle import DeploymentHandle

from app.api.factory import create_app
from app.handle import HandleBackend
from app.prediction.limits import derive_limits
from app.prediction.memory import give_back_large
from app.prediction.predictor import Predictor
from app.prediction.processes import ProcessReader
from app.replica import STOP_S, bound_receive, prepare_replica
from app.rpc.door import RpcDoor
from app.settings import Settings


@serve.deployment(
    health_check_period_s=5,
    graceful_shutdown_timeout_s=STOP_S,
    graceful_shutdown_wait_loop_s=0.1,
)
@serve.ingress()
class Ingress(RpcDoor):
    """The doors over the core: HTTP's is an app, those of gRPC are methods of this class."""

    def __init__(
        self, settings: Settings, classifier: DeploymentHandle, log_pipe: Path | None
    ) -> None:
        prepare_replica(settings, log_pipe)
        bound_receive()
        give_back_large()
        limits = derive_limits(settings)
        predictor = Predictor(HandleBackend(classifier), limits, ProcessReader(limits))
        super().__init__(predictor, settings.list_keys())
        self._create_app = partial(
            create_app,
            predictor,
            keys=settings.list_keys(),
            cors_origins=settings.list_cors_origins(),
            host_rules=settings.make_host_rules(),
            answers_request_id=False,
        )

    def __serve_build_asgi_app__(self) -> FastAPI:
        """Build the app on the replica; Serve's server puts X-Request-ID on answers."""
        return self._create_app()
