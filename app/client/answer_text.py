"""What an answer says: its status, its problem, and the problem's own words, made safe."""

import json
import re
from http import HTTPStatus

from app.client.connection import Answer
from app.hostile_text import clean_text

GOOD = "200"

MAX_PARSED_BYTES = 1 << 16

_PROBLEM = re.compile(rb'"urn:vitrine:problem:([a-z-]{1,40})"')


def name_answer(answer: Answer) -> str:
    """Name an answer by its status and the type of its problem, such as `503 overloaded`."""
    if answer.status == HTTPStatus.OK:
        return GOOD
    found = _PROBLEM.search(answer.body, 0, MAX_PARSED_BYTES)
    return f"{answer.status} {found[1].decode()}" if found else str(answer.status)


def read_object(answer: Answer) -> dict[str, object]:
    """Read the JSON object of an answer; an empty one where there is none."""
    if len(answer.body) > MAX_PARSED_BYTES:
        return {}
    try:
        found = json.loads(answer.body)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def describe_problem(answer: Answer) -> str:
    """Describe a problem in the service's own words, made safe for a terminal."""
    detail = read_object(answer).get("detail")
    words = clean_text(detail) if isinstance(detail, str) else ""
    return f"{name_answer(answer)}{words and ': '}{words}"
