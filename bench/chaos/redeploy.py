"""A rolling redeploy, as a cluster does it: `ray start --head`, then `serve deploy` twice."""

import asyncio

from bench.chaos.faults import act_under_load
from bench.chaos.floods import PICTURE, Row
from bench.kit.generator import stay_busy
from bench.kit.servers import ask, find_replicas, wait_until
from tests.support.head_node import BIN, Head, start_head
from tests.support.ports import find_port
from tests.support.serve_file import read_serve_file, set_program


def deploy(head: Head, port: int, batch_size: int) -> None:
    """Deploy deploy/serve.yaml with two replicas of each kind."""
    replicas = {"ingress_replicas": 2, "classifier_replicas": 2}
    config = read_serve_file(api_keys=None, batch_size=batch_size, **replicas)
    set_program(config, BIN / "vitrine-haproxy")
    config["http_options"] |= {"host": "127.0.0.1", "port": port}
    head.deploy(config)


def redeploy_under_load(seconds: float) -> Row:
    """Deploy the application anew with another batch size: every replica is replaced."""
    port = find_port()
    url = f"http://127.0.0.1:{port}"
    with start_head() as head:
        deploy(head, port, 32)
        wait_until(lambda: ask(f"{url}/predict", PICTURE), head.service, url)
        before = find_replicas(head.service)
        load = stay_busy(url, PICTURE, 8, seconds)
        tally, _ = act_under_load(load, lambda: asyncio.to_thread(deploy, head, port, 16))
        after = find_replicas(head.service)
    kept = len(before & after)
    return {
        "target": "0 failed",
        "served": tally.good,
        "failed": tally.failed,
        "longest_ms": tally.find_ms(100),
        "replicas_before": len(before),
        "replicas_not_replaced": kept,
        "reached": not tally.failed and not kept and len(after) == len(before),
    }
