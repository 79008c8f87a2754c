"""`make dashboard`: Prometheus, and Grafana where it is installed, against a service that runs."""

import argparse
import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from tools.dashboards.prometheus import run_prometheus, write_config

GRAFANA = Path(__file__).parents[2] / "deploy" / "grafana"
NO_GRAFANA = """Grafana is not installed (no grafana-server on PATH; Debian has no package of it).
Get it from https://grafana.com/grafana/download and run this again, import deploy/grafana/*.json
into one that runs, or: docker compose -f deploy/grafana/compose.yaml up"""


@contextlib.contextmanager
def run_grafana(folder: Path, prometheus: str) -> Iterator[str]:
    """Run Grafana, where it is installed; gives what to say about it."""
    program = shutil.which("grafana-server")
    if program is None:
        yield NO_GRAFANA
        return
    home = Path(program).resolve().parents[1]
    environment = os.environ | {
        "GF_SERVER_HTTP_ADDR": "127.0.0.1",
        "GF_AUTH_ANONYMOUS_ENABLED": "true",
        "GF_ANALYTICS_REPORTING_ENABLED": "false",
        "GF_PATHS_DATA": str(folder / "grafana"),
        "GF_PATHS_PROVISIONING": str(GRAFANA / "provisioning"),
        "PROMETHEUS_URL": prometheus,
        "DASHBOARDS": str(GRAFANA),
    }
    command = [program, "--homepath", str(home)]
    with subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL) as process:  # noqa: S603 - by its path
        try:
            yield "Grafana: http://127.0.0.1:3000/dashboards"
        finally:
            process.terminate()


def main() -> None:
    """Run both until Ctrl-C."""
    parser = argparse.ArgumentParser(prog="python -m tools.dashboards.start", description=__doc__)
    parser.add_argument("--url", default="http://127.0.0.1:8000", help="the service")
    parser.add_argument("--port", type=int, default=9090, help="of Prometheus")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    with tempfile.TemporaryDirectory(prefix="vitrine-dashboard-") as name:
        folder = Path(name)
        config = write_config(folder, options.url, "5s")
        with (
            run_prometheus(folder, config, options.port) as prometheus,
            run_grafana(folder, prometheus.url) as words,
            contextlib.suppress(KeyboardInterrupt),
        ):
            print(f"Prometheus: {prometheus.url}/graph\n{words}\nCtrl-C stops.", flush=True)
            signal.pause()


if __name__ == "__main__":
    main()
