"""grpc.health.v1.Health: what orchestrators ask; it needs no key, as /readyz needs none."""

from collections.abc import AsyncGenerator

from grpc_health.v1.health_pb2 import (
    HealthCheckRequest,
    HealthCheckResponse,
    HealthListRequest,
    HealthListResponse,
)

from app.api.grpc import classifier, open_inference
from app.api.grpc.middleware import Methods, streaming, unary
from app.errors import MethodNotAllowedError, ModelUnavailableError, NotFoundError

SERVICE = "grpc.health.v1.Health"
SERVICES = ("", classifier.SERVICE, open_inference.SERVICE)
"""Names that may be asked for; the empty one is the server."""


class HealthMethods(Methods):
    """The methods of the service."""

    @unary(SERVICE, HealthCheckResponse, is_open=True)
    async def Check(self, request: HealthCheckRequest) -> HealthCheckResponse:  # noqa: N802
        """Tell whether an inference through the real path succeeded in the last few seconds."""
        if request.service not in SERVICES:
            raise NotFoundError(f"There is no service {request.service[:100]!r} here.")
        return await self._ask()

    @unary(SERVICE, HealthListResponse, is_open=True)
    async def List(self, _request: HealthListRequest) -> HealthListResponse:  # noqa: N802
        """Tell it of every service; there is one model."""
        status = await self._ask()
        return HealthListResponse(statuses=dict.fromkeys(SERVICES, status))

    @streaming(SERVICE, HealthCheckResponse, is_open=True)
    async def Watch(self, _request: HealthCheckRequest) -> AsyncGenerator[HealthCheckResponse]:  # noqa: N802
        """Refuse to watch, as the protocol allows: an open stream would delay every stop."""
        raise MethodNotAllowedError("Watch is not served. Ask Check.")
        yield  # makes it the generator that it must be

    async def _ask(self) -> HealthCheckResponse:
        """Ask the model."""
        try:
            await self.services.probe.check()
        except ModelUnavailableError:
            return HealthCheckResponse(status=HealthCheckResponse.NOT_SERVING)
        return HealthCheckResponse(status=HealthCheckResponse.SERVING)
