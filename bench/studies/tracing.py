"""Run ``python -m bench.studies.tracing``: what tracing costs over 64 connections.

In requests/s, and in CPU time of all processes of the service for a request, which other work on
the machine disturbs less.

Services beside each other, measured in alternating rounds with the bundled model and a PNG: without
tracing, with 1% of the requests sampled, and with all; and another checkout, where one is named. A
receiver of spans runs beside them. Prints a table; the last line of stdout is one JSON object,
which is also kept in bench/results.
"""

import argparse
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from statistics import median

from bench.kit.images import Picture, make_picture
from bench.kit.models import BUNDLED
from bench.kit.results import BenchError, Record, save, start_record
from bench.kit.rounds import run_rounds
from bench.kit.servers import Running, Server, make_vitrine, read_cpu_s, run_server
from bench.kit.tools import check_tool, run_wrk
from tests.support.otlp_receiver import receive_spans
from tests.support.ports import find_port

ROUNDS, CONNECTIONS, SECONDS = 5, 64, 8
OFF, BEFORE = "off", "before"


def make_servers(endpoint: str, before: Path | None) -> dict[str, Server]:
    """Return the services, by what they trace."""
    sampled = {"OTEL_EXPORTER_OTLP_ENDPOINT": endpoint, "OTEL_TRACES_SAMPLER": "traceidratio"}
    environments: dict[str, Mapping[str, str]] = {
        OFF: {},
        "1%": sampled | {"OTEL_TRACES_SAMPLER_ARG": "0.01"},
        "100%": sampled | {"OTEL_TRACES_SAMPLER_ARG": "1"},
    }
    servers = {name: make_vitrine(BUNDLED, env) for name, env in environments.items()}
    if before is not None:
        old = make_vitrine(BUNDLED, {"PYTHONPATH": str(before)})
        servers[BEFORE] = replace(old, command=("env", "-C", str(before), *old.command))
    return servers


class Load:
    """The load on one service.

    Attributes:
        cpu_ms: CPU milliseconds of a request, of each measurement.
    """

    def __init__(self, running: Running, picture: Picture, seconds: int) -> None:
        self._running, self._picture, self._seconds = running, picture, seconds
        self.cpu_ms: list[float] = []

    def measure(self) -> float:
        """Measure the requests/s."""
        before = read_cpu_s(self._running.service)
        url = self._running.server.url
        seen = run_wrk(url, self._picture, CONNECTIONS, self._seconds)
        if seen["errors"]:
            raise BenchError(f"{url}: {seen['errors']} answers were not good")
        used = read_cpu_s(self._running.service) - before
        self.cpu_ms.append(round(1000 * used / seen["good"], 4))
        return seen["requests_per_s"]


def compare(seen: Mapping[str, list[float]]) -> Record:
    """Return medians, and the ratios to what runs without tracing, round by round."""
    ratios = {
        name: [round(one / off, 3) for one, off in zip(values, seen[OFF], strict=True)]
        for name, values in seen.items()
    }
    return {
        "median": {name: median(values) for name, values in seen.items()},
        "ratio": {name: median(each) for name, each in ratios.items()},
        "spread": {name: [min(each), max(each)] for name, each in ratios.items()},
        "rounds": dict(seen),
    }


def main() -> None:
    """Measure, print the table, and keep the results."""
    parser = argparse.ArgumentParser(prog="python -m bench.studies.tracing", description=__doc__)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--seconds", type=int, default=SECONDS, help="of each measurement")
    parser.add_argument("--names", nargs="+", help="of the services, `off` among them")
    parser.add_argument("--before", type=Path, help="another checkout, to compare with")
    options = parser.parse_args()
    check_tool("wrk")
    record, picture, port = start_record("tracing"), make_picture("png"), find_port()
    servers = make_servers(f"http://127.0.0.1:{port}", options.before)
    servers = {name: servers[name] for name in options.names or servers}
    with receive_spans(port) as receiver, ExitStack() as stack:
        loads = {
            name: Load(stack.enter_context(run_server(one, picture)), picture, options.seconds)
            for name, one in servers.items()
        }
        rates = run_rounds({name: load.measure for name, load in loads.items()}, options.rounds)
    cpu = {name: load.cpu_ms[1:] for name, load in loads.items()}  # the first one is unseen
    found = {"requests_per_s": compare(rates), "cpu_ms_per_request": compare(cpu)}
    for what, each in found.items():
        for name, value in each["median"].items():
            print(f"{what:<19} {name:<7} {value:>8} {each['ratio'][name]} {each['spread'][name]}")
    save(record | found | {"spans": len(receiver.spans)}, "tracing")


if __name__ == "__main__":
    main()
