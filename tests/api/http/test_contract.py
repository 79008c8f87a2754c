"""Schemathesis checks the app against its OpenAPI, in process: every answer is as documented."""

from functools import cache

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import positive_data_acceptance

from app.api.http.factory import create_app
from app.api.services import build_services
from app.prediction.explanations import Explanations
from app.prediction.predictor import Predictor
from tests.support.explaining_app import load_explainer
from tests.support.http_app import LIMITS
from tests.support.service import SEVEN

_UNFIT: list[schemathesis.CheckFunction] = [positive_data_acceptance, not_a_server_error]
"""Bytes that are no image are valid here, and a client may ask for an answer in no time."""


@cache
def load_schema() -> schemathesis.BaseSchema:
    """Load the OpenAPI of an app over the bundled model and its explainer."""
    backend, explainer = load_explainer()
    predictor = Predictor(backend, LIMITS)
    app = create_app(build_services(predictor, explanations=Explanations(predictor, explainer)))
    return schemathesis.openapi.from_asgi("/openapi.json", app)


@settings(max_examples=60, derandomize=True, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_every_answer_is_documented(data: st.DataObject) -> None:
    """Valid or not, a request gets a status, media type and shape that its route documents."""
    case = data.draw(load_schema().as_strategy())
    response = case.call_and_validate(excluded_checks=_UNFIT)
    assert response.status_code < 500 or response.status_code == 504


@pytest.mark.parametrize("query", [{}, {"label": ["7", "1"]}, {"format": "png"}])
def test_an_explanation_is_as_documented(query: dict[str, object]) -> None:
    """Numbers of one label, of several, and a picture: random examples may miss some."""
    operation = load_schema()["/explain/raw"]["POST"]
    case = operation.Case(
        body=SEVEN.read_bytes(), media_type="application/octet-stream", query=query
    )
    response = case.call_and_validate()
    assert response.status_code == 200
