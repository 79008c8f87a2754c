"""POST /hf: the image-classification task as Hugging Face's clients ask for it.

They send the bytes, or JSON where there are parameters, and read a bare list
(huggingface.co/docs/inference-providers/tasks/image-classification).
"""

from fastapi import APIRouter, Request, Response
from pydantic import TypeAdapter

from app.api.http.content_type import JSON, check_raw, read_name
from app.api.http.image_sources import read_base64
from app.api.http.openapi import describe_body
from app.api.http.predict_response import ERRORS
from app.api.http.request_context import get_context, read_body
from app.api.validation import parse_json_body
from app.prediction.scores import choose_order, compute_scores, rank_predictions
from schemas import PredictOptions, ScoredLabel, TaskParameters, TaskRequest

router = APIRouter(tags=["prediction"])

PATH = "/hf"

_SCORED = TypeAdapter(list[ScoredLabel])
_BODY = describe_body(
    "Or the bytes of the image, as `POST /predict/raw` takes them.",
    JSON,
    {"$ref": f"#/components/schemas/{TaskRequest.__name__}"},
)


@router.post(
    PATH,
    operation_id="classify_task",
    response_model=list[ScoredLabel],
    responses=ERRORS,
    openapi_extra=_BODY,
)
async def classify_task(request: Request) -> Response:
    """Classify an image for `huggingface_hub.InferenceClient(model="http://HOST/hf")`."""
    data, parameters = await _read_task(request)
    context = get_context(request)
    predictor = context.services.predictor
    classified = await predictor.classify(data, PredictOptions(), context.deadline)
    description = classified.description
    function = parameters.function_to_apply or description.activation
    options = PredictOptions(top_k=min(parameters.top_k, len(description.labels)))
    temperature = description.temperature if function == description.activation else 1.0
    scores = compute_scores(classified.logits, function, temperature)
    order = choose_order(classified.logits, temperature)
    best = rank_predictions(scores, description.labels, options, order)
    scored = [ScoredLabel(label=one.label, score=one.score) for one in best]
    return Response(_SCORED.dump_json(scored), media_type="application/json")


async def _read_task(request: Request) -> tuple[bytes, TaskParameters]:
    """Read the image and its parameters; raises ProblemError."""
    content_type = request.headers.get("content-type", "")
    if read_name(content_type) != JSON:
        check_raw(content_type)
        return await read_body(request), TaskParameters()
    task = parse_json_body(TaskRequest, await read_body(request))
    return await read_base64(task.inputs, "inputs"), task.parameters
