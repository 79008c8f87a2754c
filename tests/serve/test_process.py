"""`vitrine serve` as a process: what it says, how it stops, and how it refuses to start."""

import json
import pickle
import shutil
import signal
from pathlib import Path

import httpx
import pytest

from app.classifier.checkpoint.files import BUNDLED
from tests.support.service import EVERYWHERE, Service, run_cli, start_service


class Code:
    """Runs code when it is unpickled: it makes a file."""

    def __init__(self, file: Path) -> None:
        self._file = file

    def __reduce__(self) -> tuple[object, ...]:
        """Say what to call."""
        return Path.touch, (self._file,)


def test_log_lines_are_json_where_there_is_no_terminal(service: Service) -> None:
    """Every line on standard error is one JSON object; requests have their fields."""
    headers = {"X-Request-ID": "json-1"}
    assert httpx.get(f"{service.url}/livez", headers=headers).status_code == 200
    log = service.wait_for_log("json-1")
    lines = [json.loads(line) for line in log.splitlines()]
    assert all({"time", "level", "logger", "message"} <= line.keys() for line in lines)
    (line,) = (line for line in lines if line.get("request_id") == "json-1")
    assert (line["method"], line["path"], line["status"]) == ("GET", "/livez", 200)


@pytest.mark.parametrize("step", ["starting Ray", "loading the model"])
def test_ctrl_c_stops_a_service_that_is_still_starting(tmp_path: Path, step: str) -> None:
    """The exit is clean, and no process is left."""
    with start_service(tmp_path) as starting:
        starting.wait_for_log(step, timeout_s=60)
        starting.assert_stops(signal.SIGINT)
        assert "Traceback" not in starting.read_log()


def test_an_open_service_is_refused() -> None:
    """Without keys, on an address that others reach: one line, with exit code 2."""
    done = run_cli("serve", host=EVERYWHERE)
    assert (done.returncode, done.stdout) == (2, "")
    (line,) = done.stderr.splitlines()
    assert "VITRINE_API_KEYS" in line


def test_a_port_in_use_is_refused(service: Service) -> None:
    """A port that is taken is told in one line, with exit code 2."""
    done = run_cli("serve", port=str(service.port))
    assert (done.returncode, done.stdout) == (2, "")
    (line,) = done.stderr.splitlines()
    assert str(service.port) in line
    assert "VITRINE_PORT" in line


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
