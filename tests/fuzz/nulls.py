"""Lets schemathesis know that a null counts as left out.

The service takes nulls of optional fields, because some JSON libraries write every field.
openapi.json does not mention them, so that its clients need no such type.
"""

from typing import Any

import schemathesis

INPUTS = (
    "ImageSource",
    "InferRequest",
    "InferParameters",
    "InputTensor",
    "BinaryParameters",
    "RequestedOutput",
    "OutputParameters",
)


@schemathesis.hook
def before_load_schema(_context: schemathesis.HookContext, openapi: dict[str, Any]) -> None:
    """Allow null for the optional fields of request bodies."""
    for name in INPUTS:
        model = openapi["components"]["schemas"][name]
        for field in model["properties"].keys() - set(model.get("required", ())):
            model["properties"][field] = {"anyOf": [model["properties"][field], {"type": "null"}]}
