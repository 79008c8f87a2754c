"""Triton's own client, in an environment of its own: questions in, answers out, a JSON line each.

tests/support/triton.py runs it and says what a question is.
"""

import base64
import json
import sys
from importlib import import_module
from typing import Any

import numpy as np
from tritonclient.utils import InferenceServerException

Question = dict[str, Any]
_DTYPES: dict[str, np.dtype[Any]] = {"UINT8": np.dtype("u1"), "FP32": np.dtype("<f4")}


def ask(question: Question) -> object:
    """Ask a server; `call` is the name of a method of the client's, or `infer`."""
    module = import_module(f"tritonclient.{question['protocol']}")
    headers = question.get("headers")
    with module.InferenceServerClient(question["url"]) as client:
        if question["call"] == "infer":
            return infer(module, client, question)
        as_json = {"as_json": True} if "metadata" in question["call"] and is_grpc(module) else {}
        method = getattr(client, question["call"])
        return method(*question.get("arguments", []), headers=headers, **as_json)


def is_grpc(module: Any) -> bool:  # noqa: ANN401 - a module
    """Tell which of the two clients it is."""
    return bool(module.__name__.endswith("grpc"))


def infer(module: Any, client: Any, question: Question) -> object:  # noqa: ANN401 - untyped
    """Have images classified."""
    binary = {} if is_grpc(module) else {"binary_data": question.get("binary", True)}
    given = module.InferInput(
        question.get("input", "image"), question["shape"], question["datatype"]
    )
    given.set_data_from_numpy(read_array(question), **binary)
    wanted = [
        module.InferRequestedOutput(name, class_count=count, **binary)
        for name, count in question.get("outputs", [])
    ]
    result = client.infer(
        question["model"],
        [given],
        model_version=question.get("version", ""),
        outputs=wanted or None,
        request_id="asked",
        headers=question.get("headers"),
        parameters={"of_ours": "ignored"},
    )
    told = result.get_response(**({"as_json": True} if is_grpc(module) else {}))
    outputs = {one["name"]: result.as_numpy(one["name"]) for one in told["outputs"]}
    return {
        "model": [told["model_name"], told["model_version"], told["id"]],
        "outputs": {name: list_values(array) for name, array in outputs.items()},
    }


def read_array(question: Question) -> Any:  # noqa: ANN401 - of any dtype
    """Read the input: a list of base64 for BYTES, else base64 of the raw array."""
    if question["datatype"] == "BYTES":
        elements = [base64.b64decode(text) for text in question["data"]]
        return np.array(elements, np.object_).reshape(question["shape"])
    raw = base64.b64decode(question["data"])
    return np.frombuffer(raw, _DTYPES[question["datatype"]]).reshape(question["shape"])


def list_values(array: Any) -> object:  # noqa: ANN401 - of any dtype
    """List an output row by row, text as text."""
    if array.dtype != np.object_:
        return array.tolist()
    return [[one if isinstance(one, str) else one.decode() for one in row] for row in array]


def main() -> None:
    """Answer questions until there are no more."""
    for line in sys.stdin:
        try:
            answer = {"answer": ask(json.loads(line))}
        except InferenceServerException as exc:
            answer = {"error": exc.message(), "status": exc.status()}
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
