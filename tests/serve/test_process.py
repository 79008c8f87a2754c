"""`vitrine serve` as a process: what it says, how it stops, and how it refuses to start."""

import json
import pickle
import re
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from app.classifier.checkpoint.files import BUNDLED
from app.errors import UndecodableImageError
from tests.support.problems import read_problem
from tests.support.service import SAMPLES, SEVEN, Service, run_cli, start_service
from tests.support.uploads import make_upload

_LINE = re.compile(r"\d\d:\d\d:\d\d (DEBUG|INFO |WARN |ERROR) \S.*")


class Code:
    """Runs code when it is unpickled: it makes a file."""

    def __init__(self, file: Path) -> None:
        self._file = file

    def __reduce__(self) -> tuple[object, ...]:
        """Say what to call."""
        return Path.touch, (self._file,)


@pytest.fixture(scope="module")
def second(service: Service, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """Start another service beside the first, behind Serve's own proxy; Ctrl-C ends it."""
    folder = tmp_path_factory.mktemp("second")
    with start_service(folder, proxy="python", log_format="text") as running:
        running.wait_until_ready()
        assert running.port != service.port
        yield running
        running.assert_stops(signal.SIGINT)


def predict(service: Service, file: Path) -> dict[str, object]:
    """Classify a file."""
    with httpx.Client(timeout=60) as client:
        response = client.send(make_upload(file.read_bytes(), "top_k=10", url=service.url))
    body: dict[str, object] = response.raise_for_status().json()
    return body


def test_two_services_run_side_by_side(service: Service, second: Service) -> None:
    """Two services on two ports, behind different proxies, give the same answers."""
    for file in sorted(SAMPLES.glob("*-0.png")):
        assert predict(service, file) == predict(second, file)


def test_the_python_proxy_answers_errors_too(second: Service) -> None:
    """Behind Serve's own proxy an error is the same problem, with one id."""
    with httpx.Client(timeout=60) as client:
        response = client.send(make_upload(b"", url=second.url))
    read_problem(response, UndecodableImageError)


def test_the_log_names_the_proxy(service: Service, second: Service) -> None:
    """One line says what stands before the ingress."""
    assert service.wait_for_log("ready at").count("haproxy as proxy") == 1
    assert second.wait_for_log("ready at").count("python as proxy") == 1


def test_the_log_tells_the_progress(second: Service) -> None:
    """While it starts it tells the steps: Ray, model, ready at its address."""
    log = second.wait_for_log("ready at")
    places = [log.index(step) for step in ("starting Ray", "loading the model", "ready at")]
    assert places == sorted(places)
    assert f"ready at {second.url}" in log


def test_log_lines_are_json_where_there_is_no_terminal(service: Service) -> None:
    """Every line on standard error is one JSON object; requests have their fields."""
    headers = {"X-Request-ID": "json-1"}
    assert httpx.get(f"{service.url}/livez", headers=headers).status_code == 200
    log = service.wait_for_log("json-1")
    lines = [json.loads(line) for line in log.splitlines()]
    assert all({"time", "level", "logger", "message"} <= line.keys() for line in lines)
    (line,) = (line for line in lines if line.get("request_id") == "json-1")
    assert (line["method"], line["path"], line["status"]) == ("GET", "/livez", 200)


def test_log_lines_are_text_where_asked(second: Service) -> None:
    """With VITRINE_LOG_FORMAT=text every line is for people; a request is one line."""
    headers = {"X-Request-ID": "text-1"}
    assert httpx.get(f"{second.url}/livez", headers=headers).status_code == 200
    lines = second.wait_for_log("text-1").splitlines()
    assert [line for line in lines if not _LINE.fullmatch(line)] == []
    (line,) = (line for line in lines if line.endswith("text-1"))
    assert re.search(r"INFO  GET /livez 200 \d+\.\d ms text-1$", line)


def test_nothing_else_is_written(service: Service, second: Service) -> None:
    """Standard output stays empty: what there is to say is in the log."""
    predict(service, SEVEN)
    assert (service.output.read_text(), second.output.read_text()) == ("", "")


@pytest.mark.parametrize("step", ["starting Ray", "loading the model"])
def test_ctrl_c_stops_a_service_that_is_still_starting(tmp_path: Path, step: str) -> None:
    """Ctrl-C counts at any time: the exit is clean, and no process is left."""
    with start_service(tmp_path) as starting:
        starting.wait_for_log(step, timeout_s=60)
        starting.assert_stops(signal.SIGINT)
        assert "Traceback" not in starting.read_log()


def test_a_port_in_use_is_refused(service: Service) -> None:
    """A port that is taken is told in one line, with exit code 2."""
    done = run_cli("serve", port=str(service.port))
    assert (done.returncode, done.stdout) == (2, "")
    (line,) = done.stderr.splitlines()
    assert str(service.port) in line
    assert "VITRINE_PORT" in line


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("model", "/no/such", "/no/such"),
        ("port", "0", "VITRINE_PORT"),
        ("proxy", "nginx", "VITRINE_PROXY"),
        ("batch_size", "many", "VITRINE_BATCH_SIZE"),
        ("buckets", "1,64", "larger than VITRINE_BATCH_SIZE=32"),
        ("engine", "tensorrt", "VITRINE_ENGINE"),
    ],
)
def test_a_wrong_setting_is_refused(name: str, value: str, said: str) -> None:
    """A setting that cannot be is told in one line, with exit code 2."""
    done = run_cli("serve", **{name: value})
    assert (done.returncode, done.stdout) == (2, "")
    (line,) = done.stderr.splitlines()
    assert said in line


def test_a_pickle_with_code_is_refused(tmp_path: Path) -> None:
    """Weights that hold code are refused with exit code 2, the reason is told, nothing is run."""
    folder, ran = tmp_path / "model", tmp_path / "ran"
    shutil.copytree(BUNDLED, folder)
    (folder / "model.safetensors").unlink()
    (folder / "pytorch_model.bin").write_bytes(pickle.dumps(Code(ran)))
    with start_service(tmp_path, model=str(folder)) as refused:
        assert refused.process.wait(timeout=120) == 2, refused.read_log()
        assert refused.list_processes() == []
        log = refused.read_log()
    assert "pytorch_model.bin" in log
    assert "more than tensors" in log
    assert "Traceback" not in log
    assert not ran.exists()


def test_a_gpu_that_is_not_there_is_told(tmp_path: Path) -> None:
    """Asked for more GPUs than Ray sees, the service says so and ends with exit code 2."""
    with start_service(tmp_path, device="cuda", gpus_per_replica="64") as running:
        assert running.process.wait(timeout=120) == 2, running.read_log()
        (line,) = [line for line in running.read_log().splitlines() if "GPU" in line]
        assert "VITRINE_DEVICE=cpu" in line
        assert running.list_processes() == []
