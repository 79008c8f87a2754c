"""A Prometheus of its own, with the rules of deploy/prometheus/, and questions to it."""

import contextlib
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import yaml  # type: ignore[import-untyped]

FOLDER = Path(__file__).parents[2] / "deploy" / "prometheus"
START_S = 30.0

Series = tuple[dict[str, str], list[tuple[float, float]]]
"""Labels of a series, and its values by time."""


def write_config(folder: Path, url: str, interval: str) -> Path:
    """Write the configuration of deploy/prometheus/ for the service at `url`; returns its file."""
    config = yaml.safe_load((FOLDER / "prometheus.yaml").read_text("utf-8"))
    config["global"] = {"scrape_interval": interval, "evaluation_interval": interval}
    config["rule_files"] = [str(FOLDER / "alerts.yaml")]
    (job,) = config["scrape_configs"]
    address = urlsplit(url)
    job |= {"scheme": address.scheme, "static_configs": [{"targets": [address.netloc]}]}
    path = folder / "prometheus.yaml"
    path.write_text(yaml.safe_dump(config), "utf-8")
    return path


@contextlib.contextmanager
def run_prometheus(folder: Path, config: Path, port: int) -> Iterator["Prometheus"]:
    """Run Prometheus on 127.0.0.1 until the block ends.

    Raises:
        FileNotFoundError: it is not installed (Debian: prometheus).
        TimeoutError: it did not start; its log is in `folder`.
    """
    program = shutil.which("prometheus")
    if program is None:
        raise FileNotFoundError("prometheus is not installed: apt-get install prometheus")
    command = [
        program,
        f"--config.file={config}",
        f"--storage.tsdb.path={folder / 'data'}",
        f"--web.listen-address=127.0.0.1:{port}",
        "--enable-feature=exemplar-storage",
    ]
    with (
        (folder / "prometheus.log").open("w") as log,
        subprocess.Popen(command, stdout=log, stderr=log) as process,  # noqa: S603 - by its path
    ):
        try:
            with closing(Prometheus(f"http://127.0.0.1:{port}")) as found:
                found.wait_until_ready()
                yield found
        finally:
            process.terminate()


class Prometheus:
    """One that runs.

    Attributes:
        url: where it answers.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        self._client = httpx.Client(base_url=url, timeout=30, trust_env=False)

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def wait_until_ready(self) -> None:
        """Wait until it answers; raises TimeoutError."""
        deadline = time.monotonic() + START_S
        while time.monotonic() < deadline:
            with contextlib.suppress(httpx.HTTPError):
                if self._client.get("/-/ready").is_success:
                    return
            time.sleep(0.2)
        raise TimeoutError(f"Prometheus at {self.url} is not ready.")

    def query(self, expression: str, seconds: float, step: float = 1.0) -> list[Series]:
        """Ask for the values of the last seconds; raises HTTPStatusError for a wrong query."""
        now = time.time()
        asked: dict[str, str | float] = {"start": now - seconds, "end": now, "step": step}
        asked["query"] = expression
        response = self._client.get("/api/v1/query_range", params=asked)
        return [
            (one["metric"], [(at, float(value)) for at, value in one["values"]])
            for one in response.raise_for_status().json()["data"]["result"]
        ]


def fill_in(expression: str, interval: str, target: str = "0.25") -> str:
    """Put values in the place of a dashboard's variables: every service, and one target."""
    values = {
        "$__rate_interval": interval,
        '"$job"': '".*"',
        '"$instance"': '".*"',
        "$target": target,
    }
    for name, value in values.items():
        expression = expression.replace(name, value)
    return expression
