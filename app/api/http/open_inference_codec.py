"""The Open Inference Protocol over HTTP: JSON, and raw tensors behind it.

github.com/kserve/open-inference-protocol (REST), and Triton's binary tensor data extension.
"""

from itertools import chain
from math import ceil
from typing import Any

from fastapi import Request, Response

from app.api.http.content_type import BINARY, JSON
from app.api.http.image_sources import BASE64_OVERHEAD, read_base64
from app.api.http.request_context import get_context, read_body
from app.api.open_inference.outputs import Wanted
from app.api.open_inference.service import Answer, Call
from app.api.open_inference.tensors import (
    MAX_VALUES,
    Tensor,
    check_count,
    read_raw,
    read_values,
    write_raw,
)
from app.api.validation import parse_json_body
from app.errors import InvalidRequestError, PayloadTooLargeError, UnsupportedMediaTypeError
from schemas import (
    MAX_DIMENSIONS,
    BinaryParameters,
    InferRequest,
    InferResponse,
    InputTensor,
    OutputTensor,
)

LENGTH = "Inference-Header-Content-Length"
"""Header that tells how many bytes of a body are JSON."""

JSON_OVERHEAD = 64 * 1024
"""Bytes of JSON beside the base64 in it."""


async def read_call(request: Request, name: str, version: str) -> tuple[InferRequest, Call]:
    """Read a request: its JSON, and what is asked for.

    Args:
        request: the request.
        name: of the model.
        version: of the model; empty for any.

    Raises:
        ProblemError: it cannot be read.
    """
    if request.headers.get("content-encoding", "identity") != "identity":
        raise UnsupportedMediaTypeError("header Content-Encoding: send the body uncompressed.")
    body = await read_body(request)
    end = _find_end(request, len(body))
    max_bytes = get_context(request).services.predictor.limits.max_bytes
    asked = parse_json_body(InferRequest, _check_json(body[:end], max_bytes))
    tensor = await _read_input(asked.inputs[0], memoryview(body)[end:])
    wanted = [
        Wanted(one.name, (one.parameters and one.parameters.classification) or 0)
        for one in asked.outputs
    ]
    return asked, Call(name, [tensor], wanted, version)


def write_answer(asked: InferRequest, answer: Answer) -> Response:
    """Write an answer; outputs go behind its JSON where the request asks for that."""
    tensors, pieces = [], []
    for output in answer.outputs:
        raw = write_raw(output) if _is_binary(asked, output.name) else None
        tensors.append(_describe_output(output, raw))
        pieces += [] if raw is None else [raw]
    response = InferResponse(
        model_name=answer.model_name,
        model_version=answer.model_version,
        id=asked.id,
        outputs=tensors,
    )
    head = response.model_dump_json().encode()
    if not pieces:
        return Response(head, media_type=JSON)
    return Response(b"".join([head, *pieces]), headers={LENGTH: str(len(head))}, media_type=BINARY)


def _find_end(request: Request, length: int) -> int:
    """Find where a body's JSON ends; raises InvalidRequestError."""
    announced = request.headers.get(LENGTH)
    if announced is None:
        return length
    is_number = announced.isascii() and announced.isdecimal()
    if not is_number or len(announced) > len(str(length)) or int(announced) > length:
        message = f"header {LENGTH}: must be 0 to {length}, the bytes of the body."
        raise InvalidRequestError(message)
    return int(announced)


def _check_json(text: bytes, max_bytes: int) -> bytes:
    """Refuse JSON that takes long to parse; raises PayloadTooLargeError."""
    max_json = ceil(BASE64_OVERHEAD * max_bytes) + JSON_OVERHEAD
    if len(text) > max_json:
        message = f"The JSON has {len(text)} bytes; at most {max_json} are read. Send binary data."
        raise PayloadTooLargeError(message)
    if sum(text.count(mark) for mark in (b",", b"[", b"{")) > MAX_VALUES:
        message = f"The JSON has more than {MAX_VALUES} values. Send binary data."
        raise PayloadTooLargeError(message)
    return text


async def _read_input(given: InputTensor, binary: memoryview) -> Tensor:
    """Read the input from where its data are; raises InvalidRequestError."""
    size = None if given.parameters is None else given.parameters.binary_data_size
    if (size is None) == (given.data is None):
        message = "body inputs 0: send `data`, or `binary_data_size` and the bytes; one of them."
        raise InvalidRequestError(message)
    if (size or 0) != len(binary):
        message = (
            f"body inputs 0: {len(binary)} bytes follow the JSON, not {size or 0} as its "
            f"`binary_data_size` says. The header {LENGTH} tells where it ends."
        )
        raise InvalidRequestError(message)
    if given.data is None:
        return read_raw(given.name, given.datatype, given.shape, binary)
    values = _flatten(given.data)
    check_count(given.datatype, given.shape, len(values))
    if given.datatype == "BYTES":
        values = [await _read_text(*item) for item in enumerate(values)]
    return read_values(given.name, given.datatype, given.shape, values)


def _flatten(data: list[Any]) -> list[Any]:
    """Flatten lists in lists, row by row."""
    for _ in range(MAX_DIMENSIONS):
        if set(map(type, data)) != {list}:
            break
        data = list(chain.from_iterable(data))
    return data


async def _read_text(index: int, text: object) -> bytes:
    """Read an element of BYTES; raises InvalidRequestError."""
    field = f"inputs 0 data {index}"
    if not isinstance(text, str):
        raise InvalidRequestError(f"body {field}: must be a text, base64.")
    return await read_base64(text, field)


def _is_binary(asked: InferRequest, name: str) -> bool:
    """Tell whether an output is answered as bytes."""
    of_all = asked.parameters is not None and asked.parameters.binary_data_output
    of_each = {
        output.name: output.parameters.binary_data
        for output in asked.outputs
        if output.parameters is not None and output.parameters.binary_data is not None
    }
    return of_each.get(name, of_all)


def _describe_output(output: Tensor, raw: bytes | None) -> OutputTensor:
    """Describe an output in JSON, with its data unless they are bytes behind it."""
    parameters = None if raw is None else BinaryParameters(binary_data_size=len(raw))
    return OutputTensor(
        name=output.name,
        datatype=output.datatype,
        shape=list(output.shape),
        parameters=parameters,
        data=_list_values(output) if raw is None else None,
    )


def _list_values(output: Tensor) -> list[float] | list[str]:
    """List an output's values row by row."""
    if isinstance(output.data, list):
        return [element.decode() for element in output.data]
    return list(output.data.ravel().tolist())
