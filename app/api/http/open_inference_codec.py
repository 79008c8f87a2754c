"""The Open Inference Protocol on the wire: a JSON document, and tensors' bytes behind it.

github.com/kserve/open-inference-protocol (REST), and Triton's binary tensor data extension.
"""

from itertools import chain
from math import ceil
from typing import Any

from fastapi import Request, Response

from app.api.http.body import parse_json_body, read_body
from app.api.http.content_type import BINARY, JSON
from app.api.http.image_sources import BASE64_OVERHEAD, read_base64
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
"""Header that tells how many bytes of a body are its document."""

DOCUMENT_OVERHEAD = 64 * 1024
"""Bytes of a document beside its base64."""


async def read_call(
    request: Request, name: str, version: str, max_bytes: int
) -> tuple[InferRequest, Call]:
    """Read a request: its document, and what is asked for.

    Args:
        request: the request.
        name: of the model.
        version: of the model; empty for any.
        max_bytes: largest image, in bytes.

    Raises:
        ProblemError: it cannot be read.
    """
    if request.headers.get("content-encoding", "identity") != "identity":
        raise UnsupportedMediaTypeError("header Content-Encoding: send the body uncompressed.")
    body = await read_body(request)
    end = _find_end(request, len(body))
    asked = parse_json_body(InferRequest, _check_document(body[:end], max_bytes))
    tensor = await _read_input(asked.inputs[0], memoryview(body)[end:])
    wanted = [
        Wanted(one.name, (one.parameters and one.parameters.classification) or 0)
        for one in asked.outputs
    ]
    return asked, Call(name, [tensor], wanted, version)


def write_answer(asked: InferRequest, answer: Answer) -> Response:
    """Write an answer; outputs go behind its document where the request asks for that."""
    tensors, pieces = [], []
    for output in answer.outputs:
        raw = write_raw(output) if _is_binary(asked, output.name) else None
        tensors.append(_describe_output(output, raw))
        pieces += [] if raw is None else [raw]
    document = InferResponse(
        model_name=answer.model_name,
        model_version=answer.model_version,
        id=asked.id,
        outputs=tensors,
    )
    head = document.model_dump_json().encode()
    if not pieces:
        return Response(head, media_type=JSON)
    return Response(b"".join([head, *pieces]), headers={LENGTH: str(len(head))}, media_type=BINARY)


def _find_end(request: Request, length: int) -> int:
    """Find where a body's document ends; raises InvalidRequestError."""
    announced = request.headers.get(LENGTH)
    if announced is None:
        return length
    if not (announced.isascii() and announced.isdecimal() and len(announced) <= len(str(length))):
        end = length + 1
    else:
        end = int(announced)
    if end > length:
        message = f"header {LENGTH}: must be 0 to {length}, the bytes of the body."
        raise InvalidRequestError(message)
    return end


def _check_document(document: bytes, max_bytes: int) -> bytes:
    """Refuse a document that takes long to parse; raises PayloadTooLargeError."""
    most = ceil(BASE64_OVERHEAD * max_bytes) + DOCUMENT_OVERHEAD
    if len(document) > most:
        message = f"The document has {len(document)} bytes; at most {most} are read."
        raise PayloadTooLargeError(f"{message} Send binary data.")
    if sum(document.count(mark) for mark in (b",", b"[", b"{")) > MAX_VALUES:
        message = f"The document has more than {MAX_VALUES} values. Send binary data."
        raise PayloadTooLargeError(message)
    return document


async def _read_input(given: InputTensor, binary: memoryview) -> Tensor:
    """Read the input from where its data are; raises InvalidRequestError."""
    size = None if given.parameters is None else given.parameters.binary_data_size
    if (size is None) == (given.data is None):
        message = "body inputs 0: send `data`, or `binary_data_size` and the bytes; one of them."
        raise InvalidRequestError(message)
    if (size or 0) != len(binary):
        message = (
            f"body inputs 0: {len(binary)} bytes follow the document, not {size or 0} as its "
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
    place = f"inputs 0 data {index}"
    if not isinstance(text, str):
        raise InvalidRequestError(f"body {place}: must be a text, base64.")
    return await read_base64(text, place)


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
    """Describe an output in the document, with its data unless they are bytes behind it."""
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
