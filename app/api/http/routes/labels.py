"""GET /labels: what the model can answer."""

from typing import Annotated

from fastapi import APIRouter, Header, Request, Response

from app.api.http.entity_tags import is_known
from app.api.http.problems import describe_errors
from app.api.http.request_context import get_context
from app.errors import ModelUnavailableError, UnauthorizedError
from schemas import Label, Labels, ModelInfo

router = APIRouter(tags=["prediction"])

_RESPONSES = describe_errors(UnauthorizedError, ModelUnavailableError) | {
    304: {"description": "The labels have not changed since the ETag that was sent."}
}


@router.get("/labels", operation_id="labels", response_model=Labels, responses=_RESPONSES)
async def list_labels(
    request: Request,
    response: Response,
    if_none_match: Annotated[str | None, Header()] = None,
) -> Labels | Response:
    """List all labels by id. Send the ETag back as `If-None-Match` to be told of changes only."""
    services = get_context(request).services
    description = await services.predictor.describe()
    explanation = services.explanations.describe(description)
    temperature = None if description.temperature == 1.0 else description.temperature
    methods = explanation.methods if explanation.reason is None else []
    calibrated = [] if temperature is None else [f"{temperature}"]
    etag = f'"{"+".join([description.revision, *methods, *calibrated])}"'
    if if_none_match is not None and is_known(if_none_match, etag):
        return Response(status_code=304, headers={"ETag": etag})
    response.headers["ETag"] = etag
    return Labels(
        model=ModelInfo(id=description.model_id, revision=description.revision),
        labels=[Label(id=index, label=name) for index, name in enumerate(description.labels)],
        explanation=explanation,
        temperature=temperature,
    )
