"""Run ``python -m bench.studies.nodes``: what a cluster costs and gives, on nodes of our own.

    launchers  `serve deploy` on a head node beside `vitrine serve`, in alternating rounds
    two nodes  simulated GPUs on one node and on two, which share no cores for that work
    refusals   how long the front takes to refuse an image

The launchers are compared on 127.0.0.1. Else nodes are network namespaces of this machine, which
need root (tests/support/nodes.py). The last line of stdout is one JSON object, which is kept in
bench/results.
"""

import asyncio
import json
import statistics
import time

import yaml  # type: ignore[import-untyped]

from app.errors import OverloadedError
from bench.kit.images import Picture, make_picture
from bench.kit.models import BUNDLED
from bench.kit.results import BenchError, Record, save, start_record
from bench.kit.rounds import divide
from bench.kit.servers import ask, make_vitrine, run_server, wait_until
from bench.kit.tools import run_wrk
from tests.support.head_node import Head, start_head
from tests.support.load import Load, make_request
from tests.support.nodes import BIN, HTTP_PORT, Cluster, make_cluster
from tests.support.ports import find_port
from tests.support.serve_file import read_serve_file, set_program

CELLS = (("png", 16), ("png", 64), ("jpeg", 16), ("jpeg", 64))
ROUNDS, SECONDS, WARM_S = 5, 4, 1
LAUNCHERS = ("serve deploy", "vitrine serve")
GPUS_A_NODE, CLIENTS_A_GPU, GPU_S = 3, 12, 20.0


def deploy(cluster: Cluster, import_path: str, **args: object) -> None:
    """Deploy an application with the variables of deploy/serve.yaml, open to this machine."""
    config = read_serve_file(api_keys=None, allow_unauthenticated=True, **args)
    set_program(config, BIN / "vitrine-haproxy")
    config["applications"][0]["import_path"] = import_path
    path = cluster.folder / "serve.yaml"
    path.write_text(yaml.safe_dump(config))
    cluster.head.run("serve", "deploy", "--address", cluster.dashboard, str(path))
    picture = make_picture("png")
    for node in cluster.nodes:
        deadline = time.monotonic() + 120
        while ask(f"{node.url}/predict", picture) is None:
            if time.monotonic() > deadline:
                raise BenchError(f"{node.url} does not answer")
            time.sleep(0.2)


def deploy_on_head(head: Head) -> str:
    """Deploy deploy/serve.yaml on 127.0.0.1, with one replica of each kind; gives its URL."""
    port = find_port()
    url, picture = f"http://127.0.0.1:{port}", make_picture("png")
    config = read_serve_file(api_keys=None, model=str(BUNDLED))
    set_program(config, BIN / "vitrine-haproxy")
    config["http_options"] |= {"host": "127.0.0.1", "port": port}
    head.deploy(config)
    wait_until(lambda: ask(f"{url}/predict", picture), head.service, url)
    return url


def compare_launchers() -> list[Record]:
    """Compare the requests/s of both launchers; each idles while the other is measured."""
    rates: dict[tuple[str, int], dict[str, list[float]]] = {}
    server = make_vitrine(BUNDLED)
    with start_head() as head, run_server(server, make_picture("png")):
        urls = dict(zip(LAUNCHERS, (deploy_on_head(head), server.url), strict=True))
        for number in range(ROUNDS):
            for name, url in list(urls.items())[:: 1 if number % 2 else -1]:
                for image, connections in CELLS:
                    picture = make_picture(image)
                    run_wrk(url, picture, connections, WARM_S)
                    seen = run_wrk(url, picture, connections, SECONDS)
                    cell = rates.setdefault((image, connections), {})
                    cell.setdefault(name, []).append(seen["requests_per_s"])
    return [
        {"image": image, "connections": connections, "rounds": found}
        | {name: statistics.median(values) for name, values in found.items()}
        | {"ratio": divide(*(statistics.median(found[name]) for name in LAUNCHERS))}
        for (image, connections), found in rates.items()
    ]


def compare_nodes() -> Record:
    """Compare the images/s of simulated GPUs on one node and on two."""
    rates = []
    for count in (1, 2):
        gpus = GPUS_A_NODE * count
        with make_cluster(count) as cluster:
            replicas = {"classifier_replicas": gpus, "ingress_replicas": count}
            deploy(cluster, "tests.support.simulated_app:build", **replicas, max_queue=1000)
            load = run_load(cluster, make_picture("png"), CLIENTS_A_GPU * gpus, GPU_S)
        rates.append(load.count()[200] / GPU_S)
        if load.list_failed():
            raise BenchError(f"{count} nodes: {load.count()}")
    one, two = rates
    return {"gpus_a_node": GPUS_A_NODE, "one": one, "two": two, "ratio": divide(two, one)}


def time_refusals() -> Record:
    """Time the refusals of a front whose one ingress is full."""
    with make_cluster(1) as cluster:
        deploy(cluster, "tests.support.simulated_app:build", max_queue=4)
        load = run_load(cluster, make_picture("png"), 12, 10.0)
    times = [
        1000 * one.seconds
        for one in load.outcomes
        if one.result == OverloadedError.status and json.loads(one.body)["instance"] == "proxy"
    ]
    return {
        "refused_by_front": len(times),
        "p50_ms": round(statistics.median(times), 2),
        "p99_ms": round(statistics.quantiles(times, n=100)[-1], 2),
        "served": load.count()[200],
    }


def run_load(cluster: Cluster, picture: Picture, clients: int, seconds: float) -> Load:
    """Keep clients busy at the fronts of all nodes."""
    fronts = [(node.address, HTTP_PORT) for node in cluster.nodes]
    load = Load(fronts, make_request(picture.content))
    asyncio.run(load.run(clients, lambda: time.sleep(seconds)))
    return load


def run() -> None:
    """Run all three."""
    record = start_record("nodes")
    record |= {"launchers": compare_launchers()}
    record |= {"two_nodes": compare_nodes(), "refusals": time_refusals()}
    for row in record["launchers"]:
        print({key: row[key] for key in row if key != "rounds"})
    print(record["two_nodes"], record["refusals"])
    save(record, "nodes")


if __name__ == "__main__":
    run()
