"""The FastAPI app: routers, middleware, errors and docs, over services that are handed in."""

from functools import partial
from importlib.metadata import version
from math import ceil

from fastapi import FastAPI
from starlette.middleware.cors import CORSMiddleware

from app.api.http.image_sources import BASE64_OVERHEAD
from app.api.http.middleware import RequestMiddleware
from app.api.http.open_inference_codec import LENGTH
from app.api.http.openapi import build_openapi
from app.api.http.problems import add_handlers
from app.api.http.request_headers import REQUEST_ID, TIMEOUT
from app.api.http.route_names import RouteNames
from app.api.http.routes import (
    docs,
    explain,
    health,
    huggingface,
    labels,
    metrics,
    open_inference,
    page,
    predict,
    predict_batch,
    predict_json,
    predict_raw,
)
from app.api.services import Services
from app.auth.authenticator import API_KEY
from app.limits import IMAGE_BYTES, Limits

FORM_OVERHEAD = 64 * 1024
"""Bytes that a multipart form may add to the image: boundaries, part headers, other fields."""

ROUTERS = (
    predict.router,
    predict_raw.router,
    predict_json.router,
    predict_batch.form_router,
    predict_batch.json_router,
    explain.form_router,
    explain.raw_router,
    explain.json_router,
    huggingface.router,
    open_inference.infer_router,
    open_inference.router,
    labels.router,
    health.router,
    metrics.router,
    docs.router,
    page.router,
)

_JSON_PATHS = {
    predict_json.PATH,
    predict_batch.JSON_PATH,
    explain.JSON_PATH,
    huggingface.PATH,
}
"""Paths whose bodies have images as base64."""

_EXPOSED = (REQUEST_ID, "Server-Timing", "ETag", "Retry-After", "WWW-Authenticate", LENGTH)
"""Headers of an answer that a page of another origin may read."""

_DESCRIPTION = (
    "Classifies images with a fine-tuned Vision Transformer. "
    "Every error is application/problem+json (RFC 9457) and says how to fix it."
)


def create_app(
    services: Services,
    *,
    cors_origins: tuple[str, ...] = (),
    answers_request_id: bool = True,
    has_samples: bool = False,
) -> FastAPI:
    """Create the app.

    Args:
        services: what answers requests.
        cors_origins: origins whose pages may call from a browser; `*` for all.
        answers_request_id: put X-Request-ID on answers; False where the server does it already.
        has_samples: show the samples of the bundled model on the page; True where it is served.
    """
    app = FastAPI(
        title="Vitrine",
        version=version("vitrine"),
        description=_DESCRIPTION,
        docs_url=None,
        redoc_url=None,
        swagger_ui_oauth2_redirect_url=None,
    )
    app.state.has_samples = has_samples
    for router in ROUTERS:
        app.include_router(router)
    add_handlers(app)
    app.add_middleware(
        RequestMiddleware,
        services=services,
        find_max_body=partial(_find_max_body, services.predictor.limits),
        find_route=RouteNames(ROUTERS).find,
        answers_request_id=answers_request_id,
    )
    _allow_origins(app, cors_origins)
    app.openapi = lambda: build_openapi(app)  # type: ignore[method-assign] # FastAPI's own way
    return app


def _find_max_body(limits: Limits, path: str) -> int:
    """Find the largest body of a path, in bytes: one image in a form, or many."""
    largest = limits.max_bytes
    if path in _JSON_PATHS:
        largest = ceil(BASE64_OVERHEAD * limits.max_bytes)
    elif path == predict_batch.PATH or open_inference.is_infer(path):
        many = max(limits.max_bytes, limits.max_bulk * IMAGE_BYTES)
        largest = min(many, limits.max_queue_bytes - FORM_OVERHEAD)  # more would never fit
    return largest + FORM_OVERHEAD


def _allow_origins(app: FastAPI, origins: tuple[str, ...]) -> None:
    """Let pages of other origins call; no cookies, and around everything: errors too."""
    if not origins:
        return
    app.add_middleware(
        CORSMiddleware,
        allow_origins=origins,
        allow_methods=("GET", "POST"),
        allow_headers=("Authorization", API_KEY, REQUEST_ID, TIMEOUT, "If-None-Match", LENGTH),
        expose_headers=_EXPOSED,
    )
