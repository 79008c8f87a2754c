"""What comes before a measurement: each image is sent once, and whoever answers is Vitrine."""

import itertools
from collections.abc import Sequence
from http import HTTPStatus
from pathlib import Path

from app.client.answer_text import describe_problem, read_object
from app.client.connection import Answer
from app.client.endpoint import Endpoint, describe_failure
from app.client.generator import count_until, run_closed
from app.client.pool import Pool
from app.errors import ServiceError
from app.hostile_text import clean_text

WARM_UP_S, CLIENTS = 2.0, 8

_NO_ROUTE = {HTTPStatus.NOT_FOUND, HTTPStatus.METHOD_NOT_ALLOWED}
_NO_KEY = {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}


async def warm_up(
    pool: Pool, endpoint: Endpoint, requests: Sequence[bytes], paths: Sequence[Path]
) -> None:
    """Send each image once, and then again for a moment.

    Raises:
        ServiceError: an image is refused, a key is wrong, or nobody answers as Vitrine does.
    """
    failures: list[str] = []
    last: Answer | None = None
    is_good = False

    async def send(number: int) -> None:
        nonlocal is_good, last
        index = number % len(requests)
        try:
            last = await pool.send(requests[index])
        except OSError as exc:
            failures.append(describe_failure(exc))
            return
        is_good |= last.status == HTTPStatus.OK
        if failure := _find_failure(last, endpoint, paths[index]):
            failures.append(failure)

    numbers = count_until(WARM_UP_S, len(requests))
    await run_closed(send, CLIENTS, itertools.takewhile(lambda _: not failures, numbers))
    if not is_good and not failures and last is not None:
        failures.append(f"no image was answered: {describe_problem(last)}")
    if failures:
        raise ServiceError(f"{endpoint.url}: {failures[0]}")


def _find_failure(answer: Answer, endpoint: Endpoint, path: Path) -> str | None:
    """Find why nothing can be measured; a service that is at capacity is no reason."""
    status = answer.status
    if status == HTTPStatus.OK:
        is_ours = "model" in read_object(answer)
        return None if is_ours else "it answers 200, but not as Vitrine does."
    if status in _NO_KEY:
        return f"{describe_problem(answer)} VITRINE_API_KEY or --key gives one."
    if status in _NO_ROUTE:
        return f"there is no POST {endpoint.path} ({describe_problem(answer)})"
    if status < HTTPStatus.INTERNAL_SERVER_ERROR:
        return f"{clean_text(str(path))} is refused: {describe_problem(answer)}"
    return None
