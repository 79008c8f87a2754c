"""What a load test sends: how often, how long, by how many connections; all of it bounded."""

import resource
from collections.abc import Sequence
from dataclasses import dataclass

from app.client.endpoint import Endpoint
from app.client.load.images import ImageFile
from app.client.request import make_form, make_post
from app.errors import ServiceError

MAX_REQUESTS = 1_000_000
"""Of one rate: each leaves a number in memory."""

SPARE_FILES = 64
"""Files that a process has open beside its connections."""

BOUNDARY = "vitrine-load-6b1f0c2e9d"


@dataclass(frozen=True)
class LoadPlan:
    """What is sent.

    Attributes:
        endpoint: of the service.
        images: sent in turn.
        rates: requests a second, each for `duration_s`; empty: shares of what the service can do.
        duration_s: seconds of each rate.
        connections: most that are open.
        target_s: seconds within which 99% of the requests should be answered.
        timeout_s: seconds until a request without an answer is given up.
    """

    endpoint: Endpoint
    images: Sequence[ImageFile]
    rates: Sequence[float] = ()
    duration_s: float = 10.0
    connections: int = 512
    target_s: float = 0.25
    timeout_s: float = 30.0

    def make_requests(self) -> list[bytes]:
        """Make the bytes of a request for each image.

        Raises:
            ServiceError: an image has the bytes that separate the parts of a form.
        """
        endpoint, form = self.endpoint, f"multipart/form-data; boundary={BOUNDARY}"
        if any(BOUNDARY.encode() in image.content for image in self.images):
            raise ServiceError(f"An image has the text {BOUNDARY}, which separates parts.")
        return [
            make_post(
                endpoint.path,
                form,
                make_form(image.content, image.media_type, BOUNDARY),
                *endpoint.headers,
                host=endpoint.netloc,
            )
            for image in self.images
        ]


def check_plan(plan: LoadPlan) -> None:
    """Refuse what neither memory nor the open files of this process would hold.

    Raises:
        ServiceError: says which option to change.
    """
    check_rates(plan.rates, plan.duration_s)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = plan.connections + SPARE_FILES
    if hard != resource.RLIM_INFINITY and needed > hard:
        raise ServiceError(f"--connections: at most {hard - SPARE_FILES} here (ulimit -Hn).")
    if soft != resource.RLIM_INFINITY and needed > soft:
        resource.setrlimit(resource.RLIMIT_NOFILE, (needed, hard))


def check_rates(rates: Sequence[float], duration_s: float) -> None:
    """Refuse more requests than memory holds; raises ServiceError."""
    if (most := max(rates, default=0) * duration_s) > MAX_REQUESTS:
        message = f"{most:.0f} requests at one rate are more than {MAX_REQUESTS}."
        raise ServiceError(f"{message} Lower --rate or --duration.")
