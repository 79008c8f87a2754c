"""Other weights, other keys and other labels, on a Ray that other programs deploy to."""

import json
import shutil
import sys
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest

from app.auth.keys import hash_key
from app.classifier.checkpoint.files import BUNDLED
from tests.support.ports import find_port
from tests.support.service import ANN, ROOT, SEVEN, make_environment, start_process

_DEPLOY = dedent(
    """
    import json, sys
    from pathlib import Path

    import httpx
    import ray
    from ray import serve

    from app.deployments import build
    from app.settings import Settings

    out, port, keys, sample, *folders = sys.argv[1:]

    def deploy(folder, **settings):
        settings |= {"model": folder, "classifier_replicas": 2, "device": "cpu"}
        handle = serve.run(build(Settings(**settings)), name="vitrine")
        return handle, read_label(handle), httpx.get(f"http://127.0.0.1:{port}/labels").status_code

    def read_label(handle):
        answers = [handle.classify.remote(Path(sample).read_bytes()) for _ in range(20)]
        (label,) = {answer.result().predictions[0].label for answer in answers}
        return label

    def reload(handle, **labels):
        (folder / "config.json").write_text(json.dumps(config | labels))
        outcomes = handle.reload.remote().result()
        return [outcome._asdict() for outcome in outcomes], read_label(handle)

    ray.init(address="local", num_cpus=4, include_dashboard=False, log_to_driver=False)
    serve.start(http_options={"host": "127.0.0.1", "port": int(port)})
    handle, *first = deploy(folders[0])
    folder = Path(folders[0])
    config = json.loads((folder / "config.json").read_text())
    names = {key: f"new {name}" for key, name in config["id2label"].items()}
    good = reload(handle, id2label=names)
    bad = reload(handle, id2label={})
    _, *second = deploy(folders[1], api_keys=keys)
    told = {"first": first, "good": good, "bad": bad, "second": second}
    Path(out).write_text(json.dumps(told))
    serve.shutdown()
    ray.shutdown()
    """
)


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What came of a deployment, two reloads and a second deployment."""
    folder = tmp_path_factory.mktemp("models")
    one, two = (Path(shutil.copytree(BUNDLED, folder / name)) for name in ("one", "two"))
    config = json.loads((two / "config.json").read_text())
    config["id2label"] = {key: f"other {name}" for key, name in config["id2label"].items()}
    (two / "config.json").write_text(json.dumps(config))
    out = folder / "told.json"
    arguments = (str(out), str(find_port()), f"ann:{hash_key(ANN)}", str(SEVEN), str(one), str(two))
    command = [sys.executable, "-c", _DEPLOY, *arguments]
    environment = make_environment() | {"PYTHONPATH": str(ROOT)}
    with start_process(folder, command, 0, environment) as running:
        assert running.process.wait(timeout=240) == 0, running.read_log()
    outcomes: dict[str, Any] = json.loads(out.read_text())
    return outcomes


def test_a_second_deployment_serves_its_own_settings(told: dict[str, Any]) -> None:
    """The model and the keys of the second `serve.run` count, not those of the first."""
    assert told["first"] == ["7", 200]
    assert told["second"] == ["other 7", 401]


def test_a_reload_tells_what_each_classifier_loaded(told: dict[str, Any]) -> None:
    """Every replica loads the new files, and the caller learns the revision."""
    outcomes, label = told["good"]
    assert label == "new 7"
    assert len({one["replica"] for one in outcomes}) == 2
    assert len({one["revision"] for one in outcomes}) == 1
    assert {one["error"] for one in outcomes} == {None}


def test_a_reload_that_fails_tells_why_and_changes_nothing(told: dict[str, Any]) -> None:
    """Every replica goes on with the model that it served."""
    outcomes, label = told["bad"]
    assert label == "new 7"
    assert len({one["replica"] for one in outcomes}) == 2
    assert all("has no id2label" in one["error"] for one in outcomes)
    assert {one["revision"] for one in outcomes} == {told["good"][0][0]["revision"]}
