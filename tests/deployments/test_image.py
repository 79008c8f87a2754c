"""deploy/Dockerfile and deploy/compose.yaml: what can be told without a container engine.

`make image-check` runs the steps of the Dockerfile.
"""

import shutil
import subprocess
import sys
from pathlib import Path

import compose_spec
import pytest
import yaml  # type: ignore[import-untyped]

from app.deployments.serve_environment import list_node_variables, list_serve_variables
from app.settings import Settings
from tests.support.service import ROOT, run_cli
from tools.dockerfile import find_instruction, read_stages
from tools.dockerfile import list_variables as list_given

DOCKERFILE, COMPOSE = ROOT / "deploy" / "Dockerfile", ROOT / "deploy" / "compose.yaml"
PROGRAM = "/opt/vitrine/bin/vitrine-haproxy"
BUILD, FINAL = read_stages(DOCKERFILE)


def lint(path: Path) -> str:
    """Lint a Dockerfile; gives what is said."""
    program = str(shutil.which("hadolint", path=Path(sys.executable).parent))
    return subprocess.run([program, path], capture_output=True, text=True, check=False).stdout


def test_the_dockerfile_has_no_known_fault(tmp_path: Path) -> None:
    """By hadolint, which also runs ShellCheck on the steps."""
    assert lint(DOCKERFILE) == ""
    broken = tmp_path / "Dockerfile"
    broken.write_text(DOCKERFILE.read_text().replace('".$extras"', ".$extras"))
    assert "SC2086" in lint(broken)


def test_the_image_has_the_environment_of_a_node() -> None:
    """What `vitrine env --format docker` prints, with the path of this image."""
    given = list_given(FINAL, "ENV")
    expected = list_node_variables() | list_serve_variables(Settings().max_bytes, PROGRAM)
    assert {name: given.get(name) for name in expected} == expected
    others = given.keys() - expected.keys()
    assert others == {"PATH", "HOME", "NVIDIA_DRIVER_CAPABILITIES", "VITRINE_HOST", "VITRINE_CACHE"}


def test_the_lines_are_those_that_the_command_prints() -> None:
    """So that they can be pasted anew."""
    printed = run_cli("env", "--format", "docker").stdout.splitlines()
    lines = DOCKERFILE.read_text().splitlines()
    for line in printed:
        if line.startswith("ENV ") and "HAPROXY_BINARY_PATH" not in line:
            assert line in lines


def test_the_service_runs_as_a_user_with_a_number_other_than_root() -> None:
    """By the last USER; Kubernetes takes a name for what might be root."""
    assert find_instruction(FINAL, "USER").value == "10001:10001"
    after = FINAL[FINAL.index(find_instruction(FINAL, "USER")) :]
    assert not {"RUN", "COPY", "ADD"} & {one.name for one in after}


def test_the_converted_model_belongs_to_that_user() -> None:
    """The cache trusts no other."""
    folder = list_given(FINAL, "ENV")["VITRINE_CACHE"]
    (owned,) = (one for one in FINAL if one.name == "COPY" and one.words[-1] == folder)
    assert f"--chown={find_instruction(FINAL, 'USER').value}" in owned.words


def test_the_context_has_what_is_copied() -> None:
    """.dockerignore lets in that and nothing else."""
    copied = {name for one in BUILD if one.name == "COPY" for name in one.words[:-1]}
    ignored = (ROOT / ".dockerignore").read_text().splitlines()
    assert {line[1:] for line in ignored if line.startswith("!")} == copied
    assert all((ROOT / name).exists() for name in copied)


def test_the_compose_file_is_one() -> None:
    """By the Compose specification."""
    text = COMPOSE.read_text()
    assert compose_spec.PyCompose.from_yaml(text).service_names() == ["vitrine"]
    with pytest.raises(ValueError, match="read_onl"):
        compose_spec.PyCompose.from_yaml(text.replace("read_only", "read_onl"))


def test_the_compose_file_locks_the_container() -> None:
    """A read-only root, no rights, and a port for this machine alone."""
    (service,) = yaml.safe_load(COMPOSE.read_text())["services"].values()
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["ports"] == ["127.0.0.1:8000:8000"]
    assert (COMPOSE.parent / service["build"]["context"]).resolve() == ROOT
    assert ROOT / service["build"]["dockerfile"] == DOCKERFILE
