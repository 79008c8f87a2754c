"""The spans of calls from Python."""

import numpy as np
import pytest

from app.api.python import PythonApi
from app.errors import ProblemError
from app.observability.call_recorder import CallRecorder
from tests.support.tracing import CARRIER, NAMED, trace_apps
from tests.support.uploads import encode_grey


async def test_a_call_is_part_of_the_trace_that_its_caller_names() -> None:
    """Each with the stages that it has."""
    with trace_apps() as traced:
        recorder = CallRecorder(tracing=traced.tracing)
        api = PythonApi(traced.services.predictor, lambda: "id", recorder)
        await api.classify(encode_grey(), trace=CARRIER)
        await api.logits(np.zeros((2, 8, 8, 3), np.uint8), trace=CARRIER)
        with pytest.raises(ProblemError):
            await api.classify(b"no image", trace=CARRIER)
        spans = traced.collect()
    assert {one.trace_id for one in spans} == {NAMED}
    calls = [one for one in spans if one.name.startswith("CALL ")]
    assert [one.name for one in calls] == ["CALL classify", "CALL logits", "CALL classify"]
    stages = {
        one.span.span_id: [
            each.name for each in spans if one.span.span_id == each.span.parent_span_id
        ]
        for one in calls
    }
    assert list(stages.values()) == [
        ["receive", "read", "wait", "batch", "inference", "answer"],
        ["receive", "wait", "batch", "inference", "answer"],
        ["receive", "read"],
    ]
    assert calls[2].attributes["error.type"] == "unsupported-media-type"


@pytest.mark.parametrize("trace", [None, 7, "00-" + NAMED, {"traceparent": 5}, {1: 2}])
async def test_whatever_else_is_given_for_a_trace_is_none(trace: object) -> None:
    """The call is answered."""
    with trace_apps() as traced:
        api = PythonApi(
            traced.services.predictor, lambda: "id", CallRecorder(tracing=traced.tracing)
        )
        await api.classify(encode_grey(), trace=trace)  # type: ignore[arg-type]
        spans = traced.collect()
    assert [one.span.parent_span_id for one in spans if one.name == "CALL classify"] == [b""]
