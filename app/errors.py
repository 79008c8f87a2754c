"""Every error that vitrine raises, in one tree. It knows no HTTP library: the APIs translate.

VitrineError
├── StartupError                  the service cannot start: one line, exit code 2
│   ├── SettingsError             a setting is wrong
│   ├── DatasetError              a dataset is missing, damaged or does not fit
│   ├── RolloutError              a cluster cannot serve a Serve config file, or does not yet
│   └── CheckpointError           the checkpoint is missing, incomplete or unsafe
│       └── ConversionError       OpenVINO cannot run it, but torch may
├── ProfileError                  no process can be profiled
├── ServiceError                  a command cannot ask a running service: one line, exit code 2
└── ProblemError                  a request cannot be answered: one problem+json, or gRPC status
    ├── InvalidRequestError       422 INVALID_ARGUMENT
    ├── UnauthorizedError         401 UNAUTHENTICATED, WWW-Authenticate
    ├── NotFoundError             404 NOT_FOUND
    ├── MethodNotAllowedError     405 UNIMPLEMENTED
    ├── UnsupportedMediaTypeError 415 INVALID_ARGUMENT
    ├── UndecodableImageError     422 INVALID_ARGUMENT
    ├── ImageTooLargeError        413 INVALID_ARGUMENT
    ├── PayloadTooLargeError      413 RESOURCE_EXHAUSTED
    ├── ExplanationUnavailableError 501 UNIMPLEMENTED
    ├── OverloadedError           503 UNAVAILABLE, Retry-After
    ├── DeadlineExceededError     504 DEADLINE_EXCEEDED
    ├── ModelUnavailableError     503 UNAVAILABLE, Retry-After
    └── InternalError             500 INTERNAL

A constructor takes one message, so that errors survive pickling between processes.
"""

from typing import ClassVar


class VitrineError(Exception):
    """Root of the tree. `str(error)` says what is wrong and how to fix it."""


class StartupError(VitrineError):
    """The service cannot start."""


class SettingsError(StartupError):
    """A setting is wrong."""


class DatasetError(StartupError):
    """A dataset is missing, damaged or does not fit."""


class RolloutError(StartupError):
    """A cluster cannot serve a Serve config file, or does not yet."""


class CheckpointError(StartupError):
    """The checkpoint is missing, incomplete, does not fit or is unsafe."""


class ConversionError(CheckpointError):
    """OpenVINO cannot run the checkpoint, but torch may."""


class ProfileError(VitrineError):
    """No process of a service can be profiled."""


class ServiceError(VitrineError):
    """A command cannot ask a running service, or not as it was told to."""


class ProblemError(VitrineError):
    """A request that cannot be answered. Class attributes are its row of the error table."""

    status: ClassVar[int]
    type: ClassVar[str]
    title: ClassVar[str]
    grpc_code: ClassVar[str]
    retry_after_s: ClassVar[int | None] = None
    challenge: ClassVar[str | None] = None
    seconds: float = 0.0  # that it took to fetch or read the image, where that has failed

    @property
    def detail(self) -> str:
        """What is wrong and how to fix it.

        `str(error)` is the same, except for an error that Ray brought from another process: there
        it is a traceback (ray.exceptions.RayTaskError, whose `args` hold the error itself).
        """
        return str(self.args[0])

    def describe(self, instance: str) -> dict[str, str | int]:
        """Describe the problem by the members of RFC 9457.

        Args:
            instance: the id of the request; `proxy` where HAProxy answers.
        """
        return {
            "type": f"urn:vitrine:problem:{self.type}",
            "title": self.title,
            "status": self.status,
            "detail": self.detail,
            "instance": instance,
        }


class InvalidRequestError(ProblemError):
    """A part is missing or an option is out of range."""

    status, type, title = 422, "invalid-request", "Invalid request"
    grpc_code = "INVALID_ARGUMENT"


class UnauthorizedError(ProblemError):
    """The request has no key, or a wrong one."""

    status, type, title = 401, "unauthorized", "Unauthorized"
    grpc_code = "UNAUTHENTICATED"
    challenge = 'Bearer realm="vitrine"'


class NotFoundError(ProblemError):
    """No such route, or no such model."""

    status, type, title = 404, "not-found", "Not found"
    grpc_code = "NOT_FOUND"


class MethodNotAllowedError(ProblemError):
    """The route exists, but not with this method."""

    status, type, title = 405, "method-not-allowed", "Method not allowed"
    grpc_code = "UNIMPLEMENTED"


class UnsupportedMediaTypeError(ProblemError):
    """The image format, or the request's Content-Type, is not supported."""

    status, type, title = 415, "unsupported-media-type", "Unsupported media type"
    grpc_code = "INVALID_ARGUMENT"


class UndecodableImageError(ProblemError):
    """The image is empty, truncated or corrupt."""

    status, type, title = 422, "undecodable-image", "Undecodable image"
    grpc_code = "INVALID_ARGUMENT"


class ImageTooLargeError(ProblemError):
    """The image has more pixels than the limit."""

    status, type, title = 413, "image-too-large", "Image too large"
    grpc_code = "INVALID_ARGUMENT"


class PayloadTooLargeError(ProblemError):
    """The body has more bytes than the limit."""

    status, type, title = 413, "payload-too-large", "Payload too large"
    grpc_code = "RESOURCE_EXHAUSTED"


class ExplanationUnavailableError(ProblemError):
    """The model has no map of where it looked, or the service has no explainer."""

    status, type, title = 501, "explanation-unavailable", "Explanation unavailable"
    grpc_code = "UNIMPLEMENTED"


class OverloadedError(ProblemError):
    """The ingress replica is at capacity."""

    status, type, title = 503, "overloaded", "Overloaded"
    grpc_code = "UNAVAILABLE"
    retry_after_s = 1

    def __init__(self, detail: str, seconds_per_image: float | None = None) -> None:
        super().__init__(detail)
        self.seconds_per_image = seconds_per_image
        """Where not even one image would be admitted: how long one takes to be answered."""


class DeadlineExceededError(ProblemError):
    """The request's deadline has passed."""

    status, type, title = 504, "deadline-exceeded", "Deadline exceeded"
    grpc_code = "DEADLINE_EXCEEDED"


class ModelUnavailableError(ProblemError):
    """No classifier replica can answer: it is loading, has failed or has ended."""

    status, type, title = 503, "model-unavailable", "Model unavailable"
    grpc_code = "UNAVAILABLE"
    retry_after_s = 5


class InternalError(ProblemError):
    """Any other failure; the detail quotes the request id, never a traceback."""

    status, type, title = 500, "internal", "Internal error"
    grpc_code = "INTERNAL"
