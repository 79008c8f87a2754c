"""deploy/serve.yaml, the Serve config file for a cluster, as tests and benchmarks deploy it."""

from itertools import product
from pathlib import Path
from typing import Any

import yaml  # type: ignore[import-untyped]

from tests.support.service import ROOT

SERVE_FILE = ROOT / "deploy" / "serve.yaml"

BOUNDS = tuple(
    "_".join(one) for one in product(("min", "max"), ("ingress", "classifier"), ["replicas"])
)
"""Settings that let the number of replicas follow the load."""


def read_serve_file(**args: object) -> dict[str, Any]:
    """Read the file with other arguments; None leaves one out, and bounds are those given here."""
    config: dict[str, Any] = yaml.safe_load(SERVE_FILE.read_text())
    (application,) = config["applications"]
    given = application["args"] | dict.fromkeys(BOUNDS) | args
    application["args"] = {name: value for name, value in given.items() if value is not None}
    return config


def read_bounds() -> dict[str, Any]:
    """Read the bounds that are in the file, as arguments of `read_serve_file`."""
    (application,) = yaml.safe_load(SERVE_FILE.read_text())["applications"]
    return {name: application["args"][name] for name in BOUNDS}


def set_program(config: dict[str, Any], program: Path) -> None:
    """Set where the program is that Serve starts as HAProxy; `vitrine deploy` would find it."""
    variables = config["controller_options"]["runtime_env"]["env_vars"]
    variables["RAY_SERVE_HAPROXY_BINARY_PATH"] = str(program)
