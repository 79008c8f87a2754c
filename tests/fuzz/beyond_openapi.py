"""Lets schemathesis know what the service does beyond openapi.json.

It takes nulls of optional fields, because some JSON libraries write every field; the clients that
are generated need no such type. And it answers binary data, an extension of the Open Inference
Protocol, where they are asked for.
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
    """Allow null for the optional fields of request bodies, and answers with binary data."""
    for name in INPUTS:
        model = openapi["components"]["schemas"][name]
        for field in model["properties"].keys() - set(model.get("required", ())):
            model["properties"][field] = {"anyOf": [model["properties"][field], {"type": "null"}]}
    infer = openapi["paths"]["/v2/models/{name}/infer"]["post"]
    infer["responses"]["200"]["content"]["application/octet-stream"] = {}
