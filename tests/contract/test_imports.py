"""The import rules of docs/architecture.md, read from the source."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

ALLOWED = {
    "schemas": {"schemas"},
    "app/errors.py": set[str](),
    "app/backend.py": {"numpy"},
    "app/deployments/haproxy_config.py": {"app.errors", "app.network"},
    "app/standalone/preflight.py": {"app.errors", "app.network", "app.settings"},
    "app/auth/keys.py": set[str](),
    "app/auth/authenticator.py": {"app.errors", "app.auth.keys"},
    "app/fetching/host_rules.py": set[str](),
    "app/fetching/addresses.py": {"app.fetching.host_rules"},
    "app/fetching/public_network.py": {
        "app.fetching.addresses",
        "app.errors",
        "app.fetching.host_rules",
    },
    "app/fetching/fetcher.py": {
        "app.fetching.addresses",
        "app.fetching.public_network",
        "app.errors",
        "app.fetching.host_rules",
    },
    "app/network.py": set[str](),
    "app/settings.py": {"pydantic_settings", "app.fetching.host_rules", "app.auth.keys"},
    "app/observability/logs.py": set[str](),
    "app/machine.py": set[str](),
    "app/standalone/haproxy_drain.py": set[str](),
    "app/deployments/serve_environment.py": {"app.errors"},
    "app/deployments/group_router.py": set[str](),
    "app/prediction": {
        "app.backend",
        "app.errors",
        "app.observability.logs",
        "app.machine",
        "app.prediction",
        "app.settings",
        "schemas",
    },
    "app/classifier": {
        "app.backend",
        "app.errors",
        "app.classifier",
        "app.machine",
        "app.settings",
    },
    "app/observability/access_log.py": {"app.errors", "app.observability.logs"},
    "app/rpc": {
        "app.observability.access_log",
        "app.errors",
        "app.auth.authenticator",
        "app.auth.keys",
        "app.observability.logs",
        "app.api.open_inference",
        "app.prediction",
        "app.api.grpc",
        "schemas",
    },
    "app/oip": {"app.backend", "app.errors", "app.api.open_inference", "app.prediction", "schemas"},
    "app/api/python.py": {
        "app.observability.access_log",
        "app.backend",
        "app.errors",
        "app.observability.logs",
        "app.prediction",
        "schemas",
    },
    "app/api": {
        "app.observability.access_log",
        "app.api",
        "app.backend",
        "app.errors",
        "app.fetching.fetcher",
        "app.auth.authenticator",
        "app.fetching.host_rules",
        "app.auth.keys",
        "app.observability.logs",
        "app.api.open_inference",
        "app.prediction",
        "schemas",
    },
}
"""Which of the house's own modules a module or a package may import."""

ONLY_IN = {
    "ray": {
        "app/deployments",
        "app/deployments/handle_backend.py",
        "app/standalone/launch.py",
        "app/deployments/serve_patches.py",
        "app/deployments/replica.py",
        "app/deployments/gpus.py",
        "app/deployments/group_router.py",
        "app/deployments/server_hook.py",
        "app/standalone/shutdown.py",
    },
    "fastapi": {"app/api", "app/deployments"},
    "starlette": {"app/api", "app/deployments/server_hook.py"},
    "grpc": {"app/deployments/handle_backend.py", "app/rpc", "schemas/rpc"},
    "google": {"app/rpc", "schemas/rpc"},
    "torch": {"app/classifier", "app/demo"},
    "transformers": {"app/classifier", "app/demo", "app/images/geometry.py"},
    "sklearn": {"app/demo"},
    "openvino": {"app/classifier/engines/openvino.py"},
    "nncf": {"app/classifier/engines/openvino.py"},
    "pydantic_settings": {"app/settings.py"},
}
"""Where a library may be met."""


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


@pytest.mark.parametrize("place", sorted(ALLOWED))
def test_modules_import_only_what_lies_below_them(place: str) -> None:
    """Imports go down only, and prediction and classifier never meet."""
    start = ROOT / place
    for path in [start] if start.is_file() else list_files(place):
        ours = {name for name in list_imports(path) if is_below(name, {"app", "schemas"})}
        strays = {name for name in ours if not is_below(name, ALLOWED[place])}
        assert not strays, f"{path.relative_to(ROOT)} imports {strays}"


@pytest.mark.parametrize("library", sorted(ONLY_IN))
def test_libraries_stay_where_they_belong(library: str) -> None:
    """Ray, FastAPI, torch and the like are known to as few modules as can be."""
    for path in list_files("app", "schemas"):
        place = path.relative_to(ROOT).as_posix()
        if any(is_below(name, {library}) for name in list_imports(path)):
            assert is_below(place, ONLY_IN[library]), f"{place} imports {library}"


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
