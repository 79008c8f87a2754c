"""GET /health (inference works), /readyz (ready for traffic) and /livez (the process is up)."""

from fastapi import APIRouter, Request

from app.api.http.problems import describe_errors
from app.api.http.request_context import get_context
from app.errors import ModelUnavailableError, UnauthorizedError
from schemas import Health, Liveness, ModelInfo

router = APIRouter(tags=["health"])

_ERRORS = describe_errors(ModelUnavailableError)
_CLOSED_ERRORS = describe_errors(UnauthorizedError, ModelUnavailableError)


@router.get("/health", operation_id="health", responses=_CLOSED_ERRORS)
async def health(request: Request) -> Health:
    """Tell whether an inference through the real path succeeded in the last few seconds."""
    services = get_context(request).services
    probe = services.probe
    description, age_s = await probe.check()
    if description is None:
        raise ModelUnavailableError(
            "No classifier runs, and which model is served is not known yet."
        )
    return Health(
        model=ModelInfo(id=description.model_id, revision=description.revision),
        device=description.device,
        uptime_s=round(probe.uptime_s, 1),
        last_inference_s=None if age_s is None else round(age_s, 1),
        queue=probe.queue,
        explanation=services.explanations.describe(description),
    )


@router.get("/readyz", operation_id="readyz", responses=_ERRORS)
async def readyz(request: Request) -> Liveness:
    """Tell whether the model answers, for a load balancer."""
    await get_context(request).services.probe.check()
    return Liveness()


@router.get("/livez", operation_id="livez", responses=describe_errors())
async def livez() -> Liveness:
    """Tell that the process serves; it asks nothing of the model."""
    return Liveness()
