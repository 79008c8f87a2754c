"""Errors become a gRPC status with details (google.rpc.Status), from the same table as HTTP's."""

import grpc
from google.protobuf.any_pb2 import Any
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message
from google.rpc.error_details_pb2 import ErrorInfo, RequestInfo, RetryInfo
from google.rpc.status_pb2 import Status

from app.errors import ProblemError
from app.observability.logs import request_id

DOMAIN = "vitrine"


def find_code(error: ProblemError) -> grpc.StatusCode:
    """Find the gRPC code of an error."""
    return grpc.StatusCode[error.grpc_code]


def build_status(error: ProblemError) -> Status:
    """Build the status of an error, with the same words as the HTTP problem has."""
    reason = error.type.upper().replace("-", "_")
    facts = {"title": error.title, "http_status": str(error.status)}
    details: list[Message] = [
        ErrorInfo(reason=reason, domain=DOMAIN, metadata=facts),
        RequestInfo(request_id=request_id.get()),
    ]
    if error.retry_after_s is not None:
        details.append(RetryInfo(retry_delay=Duration(seconds=error.retry_after_s)))
    number: int = find_code(error).value[0]
    return Status(code=number, message=str(error), details=map(_pack, details))


def _pack(message: Message) -> Any:
    """Pack a detail."""
    packed = Any()
    packed.Pack(message)
    return packed
