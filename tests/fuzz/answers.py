"""What an answer may be: one that the service's own OpenAPI description lists, and never a 5xx.

Knows no requests: only what comes back.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import httpx
from pydantic import ValidationError

from schemas import PredictResponse, Problem

Documented = Mapping[int, frozenset[str]]
"""The problem types that a route lists, by status."""

KEPT = 20
"""Wrong answers that are told; the others are counted."""


def read_documented(openapi: Mapping[str, Any], path: str, method: str) -> Documented:
    """Read which problems a route's entry in the OpenAPI description lists."""
    listed: dict[int, frozenset[str]] = {}
    for status, response in openapi["paths"][path][method]["responses"].items():
        problems = response.get("content", {}).get("application/problem+json", {})
        types = (example["value"]["type"] for example in problems.get("examples", {}).values())
        listed[int(status)] = frozenset(types)
    return listed


@dataclass
class Tally:
    """Answers as they were counted.

    Attributes:
        documented: what is allowed.
        kinds: answers by kind: a format for an image, else the problem's type.
        wrong: those that are not allowed, with what was sent.
        wrong_count: all of them.
        longest_s: the longest time that an answer took, and what was sent.
        timed_out: answers that tell of a decode that took too long.
    """

    documented: Documented
    kinds: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    wrong_count: int = 0
    longest_s: tuple[float, str] = (0.0, "")
    timed_out: int = 0

    def add(self, name: str, response: httpx.Response, took_s: float) -> None:
        """Count one answer."""
        self.longest_s = max(self.longest_s, (took_s, name))
        try:
            self.kinds[self._name_kind(response)] += 1
        except (ValueError, ValidationError) as exc:
            self.refuse(f"{name}: {response.status_code} {exc} {response.text[:200]}")

    def refuse(self, message: str) -> None:
        """Count an answer that is wrong, or none at all."""
        self.wrong_count += 1
        self.kinds["wrong"] += 1
        if len(self.wrong) < KEPT:
            self.wrong.append(message)

    def _name_kind(self, response: httpx.Response) -> str:
        """Name what was answered; raises ValueError where it may not be."""
        if response.status_code == httpx.codes.OK:
            return PredictResponse.model_validate_json(response.content).image.format
        if response.headers["content-type"] != "application/problem+json":
            raise ValueError("is no problem+json")
        problem = Problem.model_validate_json(response.content, strict=True)
        if response.status_code >= httpx.codes.INTERNAL_SERVER_ERROR:
            raise ValueError("is a 5xx")
        if problem.status != response.status_code:
            raise ValueError("has two statuses")
        if problem.type not in self.documented.get(problem.status, frozenset()):
            raise ValueError("is not documented")
        self.timed_out += "longer than" in problem.detail
        return problem.type.rsplit(":", 1)[-1]
