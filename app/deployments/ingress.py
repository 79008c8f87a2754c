"""The ingress: the HTTP, gRPC and Python APIs over the core, on Ray Serve. It loads no torch."""

from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from fastapi import FastAPI
from ray import serve
from ray.serve.context import _get_serve_request_context
from ray.serve.handle import DeploymentHandle

from app.api.grpc.servicer import GrpcServicer
from app.api.http.factory import create_app
from app.api.python import PythonApi
from app.api.services import Metrics, build_services
from app.deployments.collect_metrics import MetricsCollector, take_replica_snapshot
from app.deployments.handle_backend import HandleBackend
from app.deployments.handle_explainer import HandleExplainer
from app.deployments.joined_writes import join_writes
from app.deployments.reload import ReloadOutcome
from app.deployments.replica import (
    STOP_S,
    configure_malloc,
    configure_replica,
    count_sharing,
)
from app.deployments.self_check import check_exposure, check_name, has_haproxy
from app.deployments.serve_patches import bound_receive
from app.images.workers.pool import ProcessReader
from app.limits import derive_limits
from app.observability.call_recorder import CallRecorder
from app.observability.metrics import Snapshot
from app.observability.tracing import start_tracing
from app.prediction.explanations import Explanations
from app.prediction.metrics import show_admission
from app.prediction.predictor import Predictor
from app.settings import Settings

if TYPE_CHECKING:
    from app.observability.spans import Tracing


@serve.deployment(
    health_check_period_s=5,
    graceful_shutdown_timeout_s=STOP_S,
    graceful_shutdown_wait_loop_s=0.1,
)
@serve.ingress()
class Ingress(GrpcServicer, PythonApi):
    """The APIs over the core: HTTP's is an app, those of gRPC and Python are inherited methods."""

    _tracing: "Tracing | None" = None

    def __init__(
        self,
        settings: Settings,
        classifier: DeploymentHandle,
        explainer: DeploymentHandle | None,
        log_pipe: Path | None,
    ) -> None:
        configure_replica(settings, log_pipe)
        check_exposure(settings)
        check_name(serve.get_replica_context().app_name)
        bound_receive()
        join_writes()
        configure_malloc()
        limits = derive_limits(settings, count_sharing(settings.most_ingresses))
        # Over gRPC, whatever was set in the process where the app was built.
        self._backend = HandleBackend(classifier.options(_by_reference=False))
        predictor = Predictor(self._backend, limits, ProcessReader(limits))
        show_admission(predictor.admission)
        explaining = explainer and HandleExplainer(explainer.options(_by_reference=False))
        services = build_services(
            predictor,
            settings.list_keys(),
            settings.make_host_rules(),
            Explanations(predictor, explaining),
            self._show_metrics(settings, classifier),
        )
        self._tracing = start_tracing("ingress")
        services = replace(services, recorder=CallRecorder(settings.slow_s, self._tracing))
        GrpcServicer.__init__(self, services)
        PythonApi.__init__(self, predictor, _find_request_id, services.recorder)
        self._create_app = partial(
            create_app,
            services,
            cors_origins=settings.list_cors_origins(),
            answers_request_id=False,
            has_samples=settings.model == "bundled",
        )

    def __del__(self) -> None:
        """Send the last spans: Serve calls this before it ends a replica."""
        if self._tracing is not None:
            self._tracing.close()

    async def take_metrics(self) -> Snapshot:
        """Take the snapshot of this replica's metrics."""
        return await take_replica_snapshot()

    def _show_metrics(self, settings: Settings, classifier: DeploymentHandle) -> Metrics | None:
        """Show the metrics of all ingress and classifier replicas, where the settings say so."""
        has_port = settings.metrics_port is not None and has_haproxy()
        if settings.metrics == "off" and not has_port:
            return None
        context = serve.get_replica_context()
        own = serve.get_deployment_handle(context.deployment, context.app_name)
        handles = {context.deployment: own, classifier.deployment_name: classifier}
        collector = MetricsCollector(
            {name: one.options(_by_reference=False) for name, one in handles.items()}
        )
        return Metrics(collector.collect, settings.metrics, has_port=has_port)

    def __serve_build_asgi_app__(self) -> FastAPI:
        """Build the app on the replica; Serve's server puts X-Request-ID on answers."""
        return self._create_app()

    async def reload(self) -> list[ReloadOutcome]:
        """Have every classifier load the checkpoint anew; each serves its old model meanwhile.

        Returns:
            What it came to on each classifier. One that fails keeps the model that it serves.

        Raises:
            ModelUnavailableError: no classifier runs.
            DeadlineExceededError: one has not answered in time.
        """
        return await self._backend.reload()


def _find_request_id() -> str:
    """Find the id of the request that a call was made for, which Serve hands on."""
    return str(_get_serve_request_context().request_id)
