"""GET /health, /livez and /readyz: is it well, is it up, may it have traffic."""

from fastapi import APIRouter

from app.api.http.dependencies import ProbeDep
from app.api.http.problems import document
from app.errors import ModelUnavailableError, UnauthorizedError
from schemas import Health, Liveness, ModelInfo

router = APIRouter(tags=["health"])

_ERRORS = document(ModelUnavailableError)
_CLOSED_ERRORS = document(UnauthorizedError, ModelUnavailableError)


@router.get("/health", operation_id="health", responses=_CLOSED_ERRORS)
async def health(probe: ProbeDep) -> Health:
    """Tell whether an inference through the real path succeeded in the last few seconds."""
    description, age_s = await probe.check()
    return Health(
        model=ModelInfo(id=description.model_id, revision=description.revision),
        device=description.device,
        uptime_s=round(probe.uptime_s, 1),
        last_inference_s=None if age_s is None else round(age_s, 1),
        queue=probe.queue,
    )


@router.get("/readyz", operation_id="readyz", responses=_ERRORS)
async def readyz(probe: ProbeDep) -> Liveness:
    """Tell whether the model answers, for a load balancer."""
    await probe.check()
    return Liveness()


@router.get("/livez", operation_id="livez", responses=document())
async def livez() -> Liveness:
    """Tell that the process serves; it asks nothing of the model."""
    return Liveness()
