"""The app over the bundled model and its explainer, in process and without Ray."""

import httpx

from app.api.services import build_services
from app.backend import Backend
from app.classifier.checkpoint.files import open_checkpoint
from app.explainer_backend import ExplainerBackend
from app.limits import Limits
from app.offline.local_backend import LocalBackend
from app.offline.local_explainer import LocalExplainer
from app.prediction.explanations import Explanations
from app.prediction.predictor import Predictor
from tests.support.http_app import LIMITS, open_services


def load_explainer(model: str = "bundled") -> tuple[Backend, ExplainerBackend]:
    """Load a checkpoint, by the default engine, and its explainer."""
    checkpoint = open_checkpoint(model)
    return LocalBackend(checkpoint), LocalExplainer(checkpoint)


def open_explaining(
    backend: Backend, explainer: ExplainerBackend | None, limits: Limits = LIMITS
) -> httpx.AsyncClient:
    """Open a client of the app over both."""
    predictor = Predictor(backend, limits)
    services = build_services(predictor, explanations=Explanations(predictor, explainer))
    return open_services(services)
