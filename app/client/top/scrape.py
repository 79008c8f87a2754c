"""A look at /metrics of a service: bounded in time and size, and parsed by Prometheus' parser."""

import asyncio
import math
import time
from collections.abc import Mapping
from http import HTTPStatus
from typing import NamedTuple

from prometheus_client.parser import text_string_to_metric_families

from app.client.answer_text import describe_problem
from app.client.connection import Address, Answer
from app.client.endpoint import Endpoint, describe_failure
from app.client.pool import Pool
from app.client.request import make_head
from app.errors import ServiceError

TIMEOUT_S = 10.0

PREFIX = "vitrine_"

Labels = frozenset[tuple[str, str]]
Series = Mapping[Labels, float]

_ADVICE = {
    401: "It wants a key: VITRINE_API_KEY or --key gives one.",
    403: "It wants another key.",
    404: "Is it Vitrine, and is VITRINE_METRICS not off?",
}


class Page(NamedTuple):
    """What a service has counted.

    Attributes:
        seconds: when it was asked, by a clock that never goes back.
        samples: values by name and labels.
    """

    seconds: float
    samples: Mapping[str, Series]

    def find(self, name: str) -> Series:
        """Find the series of a name; none where the service does not have it."""
        return self.samples.get(name, {})


def scrape(endpoint: Endpoint, address: Address) -> Page:
    """Ask for the metrics.

    Raises:
        ServiceError: there is no answer, or it is no page of Vitrine's.
    """
    asked = time.monotonic()
    answer = asyncio.run(_fetch(endpoint, address))
    if answer.status != HTTPStatus.OK:
        advice = _ADVICE.get(answer.status, "Is it Vitrine?")
        raise ServiceError(f"{endpoint.url}: {describe_problem(answer)} {advice}")
    samples = parse_page(answer.body)
    if not samples:
        raise ServiceError(f"{endpoint.url} has no metrics of Vitrine.")
    return Page(asked, samples)


async def _fetch(endpoint: Endpoint, address: Address) -> Answer:
    """Fetch the page."""
    pool = Pool(address, 1, answer_limit_s=TIMEOUT_S)
    headers = ("Accept: text/plain", *endpoint.headers)
    try:
        return await pool.send(make_head(f"GET {endpoint.path}", *headers, host=endpoint.netloc))
    except OSError as exc:
        raise ServiceError(f"{endpoint.url}: {describe_failure(exc)}") from exc
    finally:
        pool.close()


def parse_page(body: bytes) -> dict[str, dict[Labels, float]]:
    """Read the series of Vitrine; none of a page with a line that is no metric."""
    samples: dict[str, dict[Labels, float]] = {}
    try:
        for family in text_string_to_metric_families(body.decode()):
            for sample in family.samples:
                if sample.name.startswith(PREFIX) and math.isfinite(sample.value):
                    labels = frozenset(sample.labels.items())
                    samples.setdefault(sample.name, {})[labels] = sample.value
    except (ValueError, KeyError, IndexError, TypeError, AttributeError):
        return {}
    return samples
