"""Middleware around every gRPC method: the key, the bytes of the message, the status, the log line.

A call that fails gets its status, and an empty message beside it: Serve carries the details of a
status with a message alone.
"""

import asyncio
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator
from contextlib import AbstractContextManager, aclosing, contextmanager
from typing import TypeVar

import grpc
from google.protobuf.message import Message

from app.api.grpc.call import Call, Context
from app.api.services import Services
from app.errors import ProblemError
from app.observability.access_log import build_internal_error
from app.observability.call_record import current_call
from app.observability.logs import request_id

_logger = logging.getLogger("vitrine.access")


class Methods:
    """Methods of a gRPC service.

    Attributes:
        services: what answers calls.
    """

    services: Services

    def hold(self, message: Message) -> AbstractContextManager[None]:
        """Hold the bytes of a message; raises OverloadedError."""
        return self.services.predictor.admission.hold_bytes(message.ByteSize())

    @contextmanager
    def receive(self, path: str, context: Context) -> Iterator[Call]:
        """Surround a call: whatever goes wrong inside becomes its status."""
        call = Call(path, context, self.services.recorder)
        request_id.set(call.id)  # the task, and so this context, is the call's own
        current_call.set(call.record)
        try:
            yield call
        except ProblemError as problem:
            call.refuse(problem)
        except (asyncio.CancelledError, GeneratorExit):
            call.status = grpc.StatusCode.CANCELLED.name
            raise
        except Exception:  # whatever it is, the client gets an id to quote
            _logger.exception("unforeseen error")
            call.refuse(build_internal_error())
        finally:
            call.close()


M = TypeVar("M", bound=Methods)
Request = TypeVar("Request", bound=Message)
Asked = TypeVar("Asked")
Answer = TypeVar("Answer", bound=Message)
Unary = Callable[[M, Request], Awaitable[Answer]]
Streaming = Callable[[M, Asked], AsyncGenerator[Answer]]


def unary(
    service: str, empty: type[Answer], *, is_open: bool = False
) -> Callable[[Unary[M, Request, Answer]], Callable[[M, Request, Context], Awaitable[Answer]]]:
    """Make the method that Serve calls, of one that answers a message to a message.

    Args:
        service: full name of the service.
        empty: what stands beside the status of a call that fails.
        is_open: whether it needs no key.
    """

    def decorate(
        method: Unary[M, Request, Answer],
    ) -> Callable[[M, Request, Context], Awaitable[Answer]]:
        async def handle(self: M, request: Request, grpc_context: Context) -> Answer:
            with self.receive(f"/{service}/{method.__name__}", grpc_context) as call:
                if not is_open:
                    call.key_name = self.services.authenticator.authenticate(call.headers)
                with self.hold(request):
                    return await method(self, request)
            return empty()

        return handle

    return decorate


def streaming(
    service: str, empty: type[Answer], *, is_open: bool = False
) -> Callable[[Streaming[M, Asked, Answer]], Callable[[M, Asked, Context], AsyncGenerator[Answer]]]:
    """Make the method that Serve calls, of one that answers many messages; as `unary`."""

    def decorate(
        method: Streaming[M, Asked, Answer],
    ) -> Callable[[M, Asked, Context], AsyncGenerator[Answer]]:
        async def handle(self: M, request: Asked, grpc_context: Context) -> AsyncGenerator[Answer]:
            with self.receive(f"/{service}/{method.__name__}", grpc_context) as call:
                if not is_open:
                    call.key_name = self.services.authenticator.authenticate(call.headers)
                async with aclosing(method(self, request)) as answers:
                    async for message in answers:
                        yield message
            if call.status != grpc.StatusCode.OK.name:
                yield empty()

        return handle

    return decorate
