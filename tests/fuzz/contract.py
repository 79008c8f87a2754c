"""Requests that schemathesis makes from openapi.json, sent to a service that runs."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

CHECKS = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
    "negative_data_rejection",
    "missing_required_header",
    "unsupported_method",
)
"""All that fit; not that valid requests are accepted: bytes at random are valid, and no image."""

SEED = 7
EXAMPLES = 150
HERE = Path(__file__).parent


def run_schemathesis(url: str) -> dict[str, object]:
    """Run it with a seed; gives its exit code, 0 where nothing was found, and its summary."""
    command = [str(Path(sys.executable).with_name("schemathesis")), "--no-color"]
    command += ["--config-file", str(HERE / "schemathesis.toml"), "run"]
    command += [f"{url}/openapi.json", "--seed", str(SEED), "--max-examples", str(EXAMPLES)]
    command += ["--checks", ",".join(CHECKS), "--request-timeout", "40", "--warnings", "off"]
    environment = os.environ | {"SCHEMATHESIS_HOOKS": str(HERE / "beyond_openapi.py")}
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run(
            command,
            cwd=folder,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=400,
        )
    if done.returncode:
        print(done.stdout)
    lines = [line for line in done.stdout.splitlines() if line.strip()]
    return {
        "exit_code": done.returncode,
        "seed": SEED,
        "checks": list(CHECKS),
        "summary": lines[-12:],
    }
