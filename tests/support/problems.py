"""How answers are read: what every problem has in common is asserted here, once."""

import httpx

from app.errors import ProblemError
from schemas import Problem


def read_problem(response: httpx.Response, expected: type[ProblemError]) -> Problem:
    """Read a problem; it must be `expected`, in the words of RFC 9457, and give nothing away."""
    assert response.headers["content-type"] == "application/problem+json", response.text
    problem = Problem.model_validate_json(response.content, strict=True)
    assert (problem.status, problem.type, problem.title) == (
        expected.status,
        f"urn:vitrine:problem:{expected.type}",
        expected.title,
    ), problem
    assert response.status_code == expected.status
    assert response.headers.get_list("x-request-id") == [problem.instance]
    assert response.headers.get("retry-after") == _format(expected.retry_after_s)
    assert response.headers.get("www-authenticate") == expected.challenge
    assert problem.detail
    for word in ("Traceback", 'File "', ".py", "<class", "0x"):
        assert word not in response.text
    return problem


def _format(seconds: int | None) -> str | None:
    return None if seconds is None else str(seconds)
