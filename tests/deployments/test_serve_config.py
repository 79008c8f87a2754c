"""deploy/serve.yaml, the Serve config file for a cluster."""

import json
import re
import subprocess
import sys
from typing import Any

import pytest
from pydantic import ValidationError

from app.api.grpc.servicer import SERVICERS
from app.auth.keys import hash_key
from app.deployments.serve_environment import (
    list_node_variables,
    list_serve_variables,
    list_variables,
)
from app.settings import Settings
from tests.support.service import EVERYWHERE, ROOT, make_environment

TEXT = (ROOT / "deploy" / "serve.yaml").read_text()

_VALIDATE = """
import sys, yaml
from ray.serve.schema import ServeDeploySchema
print(ServeDeploySchema.model_validate(yaml.safe_load(sys.stdin)).model_dump_json())
"""


@pytest.fixture(scope="module")
def config() -> Any:  # noqa: ANN401 - JSON
    """The file as Serve reads it."""
    done = subprocess.run(
        [sys.executable, "-c", _VALIDATE],
        input=TEXT,
        env=make_environment(),
        capture_output=True,
        text=True,
        check=True,
    )
    return json.loads(done.stdout.splitlines()[-1])


def test_nodes_reach_the_replicas_of_each_other(config: Any) -> None:  # noqa: ANN401 - JSON
    """Every node has a proxy, and replicas listen where other nodes reach them."""
    assert config["proxy_location"] == "EveryNode"
    assert config["http_options"]["host"] == EVERYWHERE


def test_a_cluster_without_keys_is_refused(config: Any) -> None:  # noqa: ANN401 - JSON
    """The file names the keys, and is refused until the hash of one is in it."""
    (application,) = config["applications"]
    args = application["args"]
    assert application["import_path"] == "app.deployments:build"
    with pytest.raises(ValidationError, match="api_keys"):
        Settings(**args)
    args["api_keys"] = args["api_keys"].replace("sha256:HASH", hash_key("a-key-of-some-length"))
    assert [key.name for key in Settings(**args).list_keys()] == ["ann"]


def test_the_file_names_the_services() -> None:
    """All that `vitrine serve` tells Serve of."""
    assert tuple(re.findall(r"#     - (\S+:add_\S+)", TEXT)) == SERVICERS


def test_the_file_gives_serve_its_variables(config: Any) -> None:  # noqa: ANN401 - JSON
    """With the values that `vitrine serve` gives them behind HAProxy, at the default limits."""
    given = config["controller_options"]["runtime_env"]["env_vars"]
    program = given["RAY_SERVE_HAPROXY_BINARY_PATH"]
    assert given == list_serve_variables(Settings().max_bytes, program)


def test_the_file_names_the_variables_of_ray() -> None:
    """Those that a node must have before it starts, for which Serve has no place."""
    listed = dict(re.findall(r"^#      (RAY_\w+)=(\S+)", TEXT, re.MULTILINE))
    assert listed == list_node_variables() | list_variables("secret", token="TOKEN")  # noqa: S106 - it stands for one
