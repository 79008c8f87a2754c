"""What is assumed of Ray beyond its public interface: the installed one still is so."""

import ast
import importlib.util
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.deployments.ray_internals import PRIVATE_NAMES, PrivateName
from app.deployments.serve_environment import VARIABLES, Variable
from tests.support.service import ROOT, make_environment

_FIND_MISSING = """
import importlib, sys
from operator import attrgetter
for word in sys.argv[1:]:
    module, name = word.split(":")
    try:
        attrgetter(name)(importlib.import_module(module))
    except (ImportError, AttributeError) as error:
        print(error)
"""
_OWN = [path for folder in ("app", "schemas") for path in (ROOT / folder).rglob("*.py")]
_CONSTANTS = (
    "serve/_private/constants.py",
    "_private/ray_constants.py",
    "_common/usage/usage_constants.py",
    "train/v2/_internal/constants.py",
)
_CLIENT = {"RAY_DASHBOARD_ADDRESS", "RAY_AUTH_TOKEN_PATH"}
"""Variables of the user's own shell, which Ray's commands read as `vitrine deploy` does."""

_TABLES = {"ray_internals.py", "serve_environment.py"}


def find_ray() -> Path:
    """Find the installed Ray without importing it."""
    spec = importlib.util.find_spec("ray")
    assert spec is not None
    assert spec.origin is not None
    return Path(spec.origin).parent


RAY = find_ray()


def read_source(file: str) -> str:
    """Read a file of Ray's, or the text in a program of Ray's."""
    return (RAY / file).read_text("utf-8", errors="ignore")


def find_constant(variable: Variable) -> str | None:
    """Find the constant into which Ray reads a variable, or that holds its name."""
    for file in _CONSTANTS:
        for node in ast.walk(ast.parse(read_source(file))):
            if isinstance(node, ast.Assign) and f"'{variable.name}'" in ast.unparse(node.value):
                return ast.unparse(node.targets[0])
    return None


def is_read(variable: Variable, tree: ast.Module) -> bool:
    """Tell whether code reads a variable, or the constant that Ray has for it."""
    constant = find_constant(variable)
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and node.id == constant and isinstance(node.ctx, ast.Load):
            return True
        if isinstance(node, ast.Attribute) and node.attr == constant:
            return True
        if isinstance(node, ast.Constant) and node.value == variable.name and constant is None:
            return True
    return False


def list_private_uses() -> Iterator[tuple[str, str]]:
    """List the private modules and names of Ray that our modules import, each with its file."""
    for path in _OWN:
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.ImportFrom) and str(node.module).startswith("ray"):
                for alias in node.names:
                    if "._" in f"{node.module}.{alias.name}":
                        yield f"{node.module}.{alias.name}", path.name


def list_names() -> Iterator[str]:
    """List the names that our deployments use, define, import or look up, but for the tables."""
    for path in (ROOT / "app" / "deployments").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if path.name in _TABLES:
                continue
            match node:
                case ast.Name(name) | ast.Attribute(attr=name) | ast.Constant(str() as name):
                    yield name
                case ast.FunctionDef(name=name) | ast.alias(name=name):
                    yield name


def test_every_private_name_is_there() -> None:
    """Ray has it, where we look it up."""
    words = [f"{one.module}:{one.name}" for one in PRIVATE_NAMES]
    done = subprocess.run(
        [sys.executable, "-c", _FIND_MISSING, *words],
        env=make_environment(),
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == ""


@pytest.mark.parametrize("one", PRIVATE_NAMES, ids=lambda one: one.name)
def test_a_private_name_is_used_as_we_assume(one: PrivateName) -> None:
    """Ray uses it there, or what we replace would have no effect; and we still need it."""
    source = read_source(one.user)
    assert [use for use in one.uses if use not in source] == []
    assert one.name.rpartition(".")[2].strip("_") in {name.strip("_") for name in list_names()}


def test_a_replica_has_no_other_grpc_server() -> None:
    """The function that is replaced binds the only one."""
    source = read_source("serve/_private/replica.py")
    assert source.count("add_port_to_grpc_server(") == 1
    assert "secure_port(" not in source


def test_no_private_name_is_outside_the_table() -> None:
    """What is imported of Ray's private modules, and what is private by its name, has a row."""
    known = {f"{one.module}.{one.name}" for one in PRIVATE_NAMES}
    known |= {one.module for one in PRIVATE_NAMES}
    uses = dict(list_private_uses())
    assert len(uses) >= 5
    assert uses.keys() <= known


@pytest.mark.parametrize("variable", VARIABLES, ids=lambda variable: variable.name)
def test_ray_reads_a_variable_where_we_assume(variable: Variable) -> None:
    """The file that acts on it reads it, or the constant that holds its value.

    C++ knows a setting of Ray's core, whose variable has small letters, without the prefix.
    """
    text = read_source(variable.reader)
    if variable.reader.endswith(".py"):
        assert is_read(variable, ast.parse(text))
    else:
        name = variable.name
        assert (name if name.isupper() else name.removeprefix("RAY_")) in text


@pytest.mark.parametrize("row", [0, 1, 2])
def test_a_variable_that_ray_does_not_know_is_found(row: int) -> None:
    """One that was renamed, or that another file acts on, is not taken for read."""
    variable = VARIABLES[row]
    tree = ast.parse(read_source(variable.reader))
    assert is_read(variable, tree)
    assert not is_read(variable._replace(name=f"{variable.name}_OLD"), tree)
    assert not is_read(variable, ast.parse(read_source("serve/handle.py")))


def test_the_raylet_is_told_the_python_of_its_workers() -> None:
    """A job that inspects the nodes reads it there, as the first word."""
    source = read_source("_private/services.py")
    flag = "--python_worker_command="
    assert f"{flag}{{subprocess.list2cmdline(start_worker_command)}}" in source
    assert re.search(r"start_worker_command = \(\s+\[\s+sys\.executable,", source)
    assert flag in (ROOT / "app/deployments/rollout/dashboard.py").read_text("utf-8")


def test_the_head_node_has_the_resource_that_we_look_for() -> None:
    """A rollout asks for the ports of proxies there, if it is the only node that has one."""
    source = read_source("_common/constants.py")
    assert 'NODE_ID_PREFIX = "node:"' in source
    assert 'HEAD_NODE_RESOURCE_NAME = NODE_ID_PREFIX + "__internal_head__"' in source


def test_serve_says_when_it_gives_a_deployment_up() -> None:
    """A rollout ends at these words, while it goes on at other failed health checks."""
    source = read_source("serve/_private/deployment_state.py")
    words = ("The deployment failed to start", "The rolling update of this deployment failed")
    progress = (ROOT / "app/deployments/rollout/progress.py").read_text("utf-8")
    for start in words:
        assert f'"{start}' in source
        assert f'"{start}"' in progress
    assert "\"A replica's health check failed." in source


def test_every_variable_that_we_name_is_in_the_table() -> None:
    """No module sets or explains a variable of Ray's that has no row."""
    known = {variable.name for variable in VARIABLES}
    assert len(known) == len(VARIABLES)
    named = {
        name
        for path in _OWN
        for name in re.findall(r"\bRAY_(?:SERVE_[A-Z_]+|[A-Z]+_[A-Z_]+)\b", path.read_text("utf-8"))
    }
    assert named <= known | _CLIENT
    assert all(
        name in read_source("_raylet.so") + read_source("serve/scripts.py") for name in _CLIENT
    )


@pytest.mark.parametrize("module", ["app.cli.main", "app.standalone.launch", "app.deployments"])
def test_importing_what_sets_the_variables_imports_no_ray(module: str) -> None:
    """Ray reads them when it is imported, so they must be set before."""
    code = f"import sys, {module}; print([name for name in sys.modules if name[:4] == 'ray'])"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"
