"""The FastAPI app: routers, middleware, errors and docs, over a predictor that is handed in."""

from importlib.metadata import version

from fastapi import FastAPI
from fastapi_swagger import patch_fastapi

from app.api.middleware import RequestMiddleware
from app.api.openapi import build_document
from app.api.problems import add_handlers
from app.api.routes import health, labels, predict
from app.prediction.predictor import Predictor
from app.prediction.probe import Probe

FORM_OVERHEAD = 64 * 1024
"""Bytes that a multipart form may add to the image: boundaries, part headers, other fields."""

_DESCRIPTION = (
    "Classifies images with a fine-tuned Vision Transformer. "
    "Every error is application/problem+json (RFC 9457) and says how to mend it."
)


def create_app(predictor: Predictor, *, answers_request_id: bool = True) -> FastAPI:
    """Create the app.

    Args:
        predictor: the core that every route enters; its limits are the requests' too.
        answers_request_id: put X-Request-ID on answers; False where the server does it already.
    """
    app = FastAPI(
        title="Vitrine",
        version=version("vitrine"),
        description=_DESCRIPTION,
        docs_url=None,
        redoc_url=None,
        swagger_ui_oauth2_redirect_url=None,
    )
    app.state.predictor = predictor
    app.state.probe = Probe(predictor)
    for resource in (predict, labels, health):
        app.include_router(resource.router)
    add_handlers(app)
    patch_fastapi(app)  # Swagger UI at /docs from its own package, and / leads there
    app.add_middleware(
        RequestMiddleware,
        admission=predictor.admission,
        max_body=predictor.limits.max_bytes + FORM_OVERHEAD,
        timeout_s=predictor.limits.timeout_s,
        answers_request_id=answers_request_id,
    )
    app.openapi = lambda: build_document(app)  # type: ignore[method-assign] # FastAPI's own way
    return app
