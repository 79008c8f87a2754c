"""POST /predict through the whole service: proxy, ingress, classifier."""

import asyncio
import http.client
import io
import re
from contextlib import closing

import httpx
import pytest
from PIL import Image

from app.errors import DeadlineExceededError
from schemas import Labels, PredictResponse
from tests.support.problems import read_problem
from tests.support.raw_requests import send
from tests.support.service import SAMPLES, SEVEN, Service
from tests.support.uploads import REFUSED, make_upload

_FILES = sorted(SAMPLES.glob("*.png"))
_REQUESTS = 200
_CONCURRENCY = 64


def read_best(response: httpx.Response) -> tuple[str, float]:
    """Read the best prediction's label and score."""
    assert response.status_code == 200, response.text
    best = PredictResponse.model_validate_json(response.content, strict=True).predictions[0]
    return best.label, best.score


def test_labels_are_those_that_predictions_use(service: Service) -> None:
    """/labels lists the ten digits, of the same model and revision as a prediction."""
    labels = Labels.model_validate_json(httpx.get(f"{service.url}/labels").content)
    answer = send(make_upload(SEVEN.read_bytes(), "top_k=10", url=service.url)).json()
    assert {(one.id, one.label) for one in labels.labels} == {
        (one["label_id"], one["label"]) for one in answer["predictions"]
    }
    assert labels.model.model_dump() == answer["model"]
    assert len(labels.labels) == 10


def make_load(url: str) -> list[tuple[httpx.Request, str]]:
    """Make requests, every fourth a bad one, and what each gets: a digit or a bad one's name."""
    names, load = list(REFUSED), []
    for index in range(_REQUESTS):
        file = _FILES[index % len(_FILES)]
        name = names[index // 4 % len(names)] if index % 4 == 3 else None
        data, expected = (REFUSED[name][0], name) if name else (file.read_bytes(), file.name[0])
        load.append((make_upload(data, "", {"X-Request-ID": f"load-{index}"}, url=url), expected))
    return load


async def send_all(requests: list[httpx.Request]) -> list[httpx.Response]:
    """Send requests, some at a time; the answers come in the order of the requests."""
    limits = httpx.Limits(max_connections=_CONCURRENCY)
    async with httpx.AsyncClient(timeout=60, limits=limits) as client:
        return await asyncio.gather(*(client.send(request) for request in requests))


def test_nothing_is_lost_or_mixed_up_under_load(service: Service) -> None:
    """Of 200 requests, 64 at a time, each good one gets its own digit, each bad one its error."""
    load = make_load(service.url)
    responses = asyncio.run(send_all([request for request, _ in load]))
    assert len(responses) == _REQUESTS
    for index, (response, (_, expected)) in enumerate(zip(responses, load, strict=True)):
        assert response.headers.get_list("x-request-id") == [f"load-{index}"]
        if expected in REFUSED:
            read_problem(response, REFUSED[expected][1])
        else:
            assert read_best(response)[0] == expected


def test_server_timing_comes_through_the_proxy(service: Service) -> None:
    """Server-Timing tells decode, queue and inference, which together are no more than all."""
    response = send(make_upload(SEVEN.read_bytes(), url=service.url))
    durations = [
        float(one) for one in re.findall(r"dur=([\d.]+)", response.headers["server-timing"])
    ]
    assert len(durations) == 3
    assert 0 < sum(durations) <= response.elapsed.total_seconds() * 1000
    assert durations[2] > 0


def test_a_request_has_one_id(service: Service) -> None:
    """X-Request-ID is on an answer exactly once: the client's, or one that was made."""
    for request_id in (None, "mine-1"):
        headers = {"X-Request-ID": request_id} if request_id else None
        response = httpx.get(f"{service.url}/livez", headers=headers)
        (given,) = response.headers.get_list("x-request-id")
        assert given
        assert given == (request_id or given)
    assert service.wait_for_log('"request_id": "mine-1"')


@pytest.mark.parametrize("wanted", ['a"b<c>', "x" * 300, "a b", "%0d%0aX: 1"])
def test_an_unsafe_id_does_no_harm(service: Service, wanted: str) -> None:
    """Whatever is sent as id, the answer has one id and the problem names that one."""
    headers = {"X-Request-ID": wanted}
    response = send(make_upload(b"", "", headers, url=service.url))
    read_problem(response, REFUSED["empty"][1])


def test_a_connection_survives_errors(service: Service) -> None:
    """An error costs no connection: keep-alive goes on after each, however it is answered."""
    with closing(http.client.HTTPConnection("127.0.0.1", service.port, timeout=60)) as connection:
        connection.connect()
        address = connection.sock.getsockname()
        for content, error in (*REFUSED.values(), (SEVEN.read_bytes(), None)):
            request = make_upload(content, url=service.url)
            connection.request("POST", "/predict", request.read(), dict(request.headers))
            response = connection.getresponse()
            response.read()
            assert response.status == (error.status if error else 200)
            assert connection.sock is not None, "the service closed the connection"
            assert connection.sock.getsockname() == address


@pytest.mark.parametrize("wanted", ["0.001", "0.02"])
def test_a_time_that_is_too_short_is_our_504(service: Service, wanted: str) -> None:
    """Serve reads the same header; the answer is ours, not its 408 in plain text."""
    headers = {"X-Request-Timeout-Seconds": wanted}
    buffer = io.BytesIO()
    Image.effect_noise((4000, 3000), 50).save(buffer, "JPEG")
    response = send(make_upload(buffer.getvalue(), headers=headers, url=service.url))
    read_problem(response, DeadlineExceededError)
