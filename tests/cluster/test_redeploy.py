"""Another model and other keys, deployed to a Ray that serves already."""

import json
import shutil
import sys
from pathlib import Path
from textwrap import dedent

from app.auth.keys import hash_key
from app.classifier.checkpoint.files import BUNDLED
from tests.support.checkpoints import edit_json
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
        settings |= {"model": folder, "device": "cpu"}
        handle = serve.run(build(Settings(**settings)), name="vitrine")
        answers = [handle.classify.remote(Path(sample).read_bytes()) for _ in range(20)]
        (label,) = {answer.result().predictions[0].label for answer in answers}
        return label, httpx.get(f"http://127.0.0.1:{port}/labels").status_code

    ray.init(address="local", num_cpus=4, include_dashboard=False, log_to_driver=False)
    serve.start(http_options={"host": "127.0.0.1", "port": int(port)})
    told = [deploy(folders[0]), deploy(folders[1], api_keys=keys)]
    Path(out).write_text(json.dumps(told))
    serve.shutdown()
    ray.shutdown()
    """
)


def test_a_second_deployment_serves_its_own_settings(tmp_path: Path) -> None:
    """The model and the keys of the second `serve.run` count, not those of the first."""
    one, two = (Path(shutil.copytree(BUNDLED, tmp_path / name)) for name in ("one", "two"))
    names = json.loads((two / "config.json").read_text())["id2label"]
    edit_json(two / "config.json", id2label={key: f"other {names[key]}" for key in names})
    out = tmp_path / "told.json"
    arguments = (str(out), str(find_port()), f"ann:{hash_key(ANN)}", str(SEVEN), str(one), str(two))
    command = [sys.executable, "-c", _DEPLOY, *arguments]
    environment = make_environment() | {"PYTHONPATH": str(ROOT)}
    with start_process(tmp_path, command, 0, environment) as running:
        assert running.process.wait(timeout=240) == 0, running.read_log()
    assert json.loads(out.read_text()) == [["7", 200], ["other 7", 401]]
