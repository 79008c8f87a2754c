"""What `build` takes of Serve's commands and config files."""

import ast
import json
import subprocess
import sys
from pathlib import Path
from textwrap import dedent

from tests.support.service import ROOT, make_environment

_READ_SETTINGS = dedent(
    """
    import json
    import sys

    from ray.serve._private.api import call_user_app_builder_with_args_if_necessary

    from app.deployments import build
    from app.errors import SettingsError
    from app.settings import Settings

    told = []
    for arguments in map(json.loads, sys.argv[1:]):
        try:
            ingress = call_user_app_builder_with_args_if_necessary(build, arguments)
        except (SettingsError, ValueError) as error:
            told.append(str(error))
        else:
            told.append(ingress._bound_deployment.init_args[0].model_dump(mode="json"))
    build(Settings(port=9000, device="cpu"))
    print(json.dumps(told))
    """
)

_ONLY_STANDALONE = {"host", "port", "grpc_port", "proxy"}


def read_settings(*arguments: dict[str, object], **environment: str) -> list[object]:
    """Let Serve call `build`; gives the settings that the ingress would get, or what is said."""
    done = subprocess.run(
        [sys.executable, "-c", _READ_SETTINGS, *map(json.dumps, arguments)],
        cwd=ROOT,
        env=make_environment(**environment),
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    told: list[object] = json.loads(done.stdout)
    return told


def test_arguments_of_serve_become_settings() -> None:
    """What `serve run app.deployments:build key=value` passes is validated, the rest is read.

    A variable that `vitrine serve` alone reads is ignored, and an argument of that name refused.
    """
    given = {"device": "cpu", "batch_size": "8", "max_bytes": 1000}
    wrong: list[dict[str, object]] = [{name: "9000"} for name in sorted(_ONLY_STANDALONE)]
    clear: dict[str, object] = {"api_keys": "ann:a-key-in-clear-text"}
    settings, typo, key, *refused = read_settings(
        given,
        {"device": "cpu", "prot": 1},
        clear,
        *wrong,
        max_queue="7",
        batch_size="9",
        port="9000",
    )
    expected = {"model": "bundled", "device": "cpu", "batch_size": 8, "max_bytes": 1000}
    assert isinstance(settings, dict)
    assert expected.items() <= settings.items()
    assert settings["max_queue"] == 7
    assert "prot" in str(typo)
    assert "Serve keeps" in str(key)
    assert "clear-text" not in str(key)
    assert [str(line).partition(" ")[0] for line in refused] == sorted(_ONLY_STANDALONE)
    assert "http_options.port in the Serve config" in str(refused[2])


def test_no_deployment_reads_what_build_refuses() -> None:
    """What it refuses is read by the command line and `vitrine serve` alone."""
    elsewhere = [
        path
        for path in (ROOT / "app").rglob("*.py")
        if not {"cli", "standalone"} & set(path.relative_to(ROOT).parts)
    ]
    read = {name for path in elsewhere for name in list_settings(path)}
    assert read
    assert not read & _ONLY_STANDALONE


def list_settings(path: Path) -> list[str]:
    """List the attributes of anything called `settings` that a file reads."""
    return [
        node.attr
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.Attribute)
        and isinstance(node.value, ast.Name)
        and node.value.id == "settings"
    ]


def test_a_cluster_may_get_its_gpus_later() -> None:
    """An application that asks for GPUs is built before there is one: Ray waits for the nodes."""
    (read,) = read_settings({"device": "cuda", "classifier_replicas": 2})
    assert isinstance(read, dict)
    assert read["device"] == "cuda"
