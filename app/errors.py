"""Every error the house raises, in one tree. It knows no HTTP library: a door translates.

VitrineError
├── StartupError                  the service cannot start: one line, exit code 2
│   ├── SettingsError             a setting is wrong
│   └── CheckpointError           the checkpoint is missing, incomplete or unsafe
└── ProblemError                  a request cannot be answered: one problem+json
    ├── InvalidRequestError       422
    ├── UnauthorizedError         401, WWW-Authenticate
    ├── NotFoundError             404
    ├── MethodNotAllowedError     405
    ├── UnsupportedMediaTypeError 415
    ├── UndecodableImageError     422
    ├── ImageTooLargeError        413
    ├── PayloadTooLargeError      413
    ├── OverloadedError           503, Retry-After
    ├── DeadlineExceededError     504
    ├── ModelUnavailableError     503, Retry-After
    └── InternalError             500

A constructor takes one message, so that errors survive pickling between processes.
"""

from typing import ClassVar


class VitrineError(Exception):
    """Root of the tree. `str(error)` says what is wrong and how to mend it."""


class StartupError(VitrineError):
    """The service cannot start."""


class SettingsError(StartupError):
    """A setting is wrong."""


class CheckpointError(StartupError):
    """The checkpoint is missing, incomplete, does not fit or is unsafe."""


class ProblemError(VitrineError):
    """A request that cannot be answered. Class attributes are its row of the error table."""

    status: ClassVar[int]
    type: ClassVar[str]
    title: ClassVar[str]
    retry_after_s: ClassVar[int | None] = None
    challenge: ClassVar[str | None] = None


class InvalidRequestError(ProblemError):
    """A part is missing or an option is out of range."""

    status, type, title = 422, "invalid-request", "Invalid request"


class UnauthorizedError(ProblemError):
    """The service has keys, and the request brings none of them."""

    status, type, title = 401, "unauthorized", "Unauthorized"
    challenge = 'Bearer realm="vitrine"'


class NotFoundError(ProblemError):
    """No such route."""

    status, type, title = 404, "not-found", "Not found"


class MethodNotAllowedError(ProblemError):
    """The route exists, but not with this method."""

    status, type, title = 405, "method-not-allowed", "Method not allowed"


class UnsupportedMediaTypeError(ProblemError):
    """The content is not an image format that is served, or does not come as the route takes it."""

    status, type, title = 415, "unsupported-media-type", "Unsupported media type"


class UndecodableImageError(ProblemError):
    """The image is empty, truncated or corrupt."""

    status, type, title = 422, "undecodable-image", "Undecodable image"


class ImageTooLargeError(ProblemError):
    """The image has more pixels than the limit."""

    status, type, title = 413, "image-too-large", "Image too large"


class PayloadTooLargeError(ProblemError):
    """The body has more bytes than the limit."""

    status, type, title = 413, "payload-too-large", "Payload too large"


class OverloadedError(ProblemError):
    """The queue is full."""

    status, type, title = 503, "overloaded", "Overloaded"
    retry_after_s = 1


class DeadlineExceededError(ProblemError):
    """The request's time is up."""

    status, type, title = 504, "deadline-exceeded", "Deadline exceeded"


class ModelUnavailableError(ProblemError):
    """No classifier replica can answer: loading, failed or gone."""

    status, type, title = 503, "model-unavailable", "Model unavailable"
    retry_after_s = 5


class InternalError(ProblemError):
    """Anything else: the detail is an id to quote, never a traceback."""

    status, type, title = 500, "internal", "Internal error"
