"""Serve config files and reports of nodes, as a good cluster has them."""

from dataclasses import replace
from pathlib import Path

import yaml  # type: ignore[import-untyped]

from app.deployments.rollout.config import ServeConfig, read_config
from app.deployments.rollout.node import NodeReport
from app.deployments.serve_environment import list_node_variables, list_serve_variables
from app.settings import Settings
from tests.support.serve_file import read_serve_file

PROGRAM = "/opt/vitrine/bin/vitrine-haproxy"

VARIABLES = list_serve_variables(20_000_000, PROGRAM) | list_node_variables()


def write_config(folder: Path, **args: object) -> Path:
    """Write the file that is in the repository with other arguments; None leaves one out."""
    open_to_all = {"allow_unauthenticated": True, "api_keys": None}
    path = folder / "serve.yaml"
    path.write_text(yaml.safe_dump(read_serve_file(**open_to_all | args)))
    return path


def make_config(folder: Path, **args: object) -> ServeConfig:
    """Read such a file."""
    return read_config(write_config(folder, **args))


def make_report(node: str, **settings: object) -> NodeReport:
    """Make the report of a node that has everything, with four CPUs and these settings."""
    given = {"allow_unauthenticated": True, "cache": "off"} | settings
    return NodeReport(
        node,
        cpus=4,
        package="0.1.0 (aaaa)",
        variables=VARIABLES,
        program=PROGRAM,
        found_program=PROGRAM,
        settings=Settings(**given).model_dump(mode="json"),  # type: ignore[arg-type] # validated
        checkpoint="1234abcd",
    )


def drop_variable(report: NodeReport, name: str) -> NodeReport:
    """Give the report of the same node without one variable."""
    left = {one: value for one, value in report.variables.items() if one != name}
    return replace(report, variables=left)
