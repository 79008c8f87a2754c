"""What is replaced in Serve's processes: what it then does, and what is said when it is gone."""

import json
import subprocess
import sys
from textwrap import dedent

from app.deployments.serve_patches import RECEIVE_QUEUE_SIZE
from tests.support.service import ROOT, make_environment

_BIND_REPLICA = dedent(
    """
    import json, socket
    from concurrent.futures import ThreadPoolExecutor
    import grpc
    from ray.serve._private import replica
    from app.errors import StartupError
    from app.deployments.serve_patches import bind_replica

    def reach(host, port):
        try:
            socket.create_connection((host, port), timeout=5).close()
        except ConnectionRefusedError:
            return False
        return True

    bind_replica()
    server = grpc.server(ThreadPoolExecutor(1))
    port = replica.add_port_to_grpc_server(server, "[::]:0")
    server.start()
    found = [reach("127.0.0.1", port), reach("127.0.0.2", port), reach("::1", port)]
    server.stop(None)
    del replica.add_port_to_grpc_server
    try:
        bind_replica()
    except StartupError as error:
        print(json.dumps([found, str(error)]))
    """
)
_BOUND_RECEIVE = dedent(
    """
    import asyncio, json
    from ray.serve._private import replica
    from app.errors import StartupError
    from app.deployments.serve_patches import bound_receive

    async def look():
        received, is_gone = 0, asyncio.Event()

        async def receive():
            nonlocal received
            received += 1
            await asyncio.sleep(0)
            if received > 20:
                await is_gone.wait()
                return {"type": "http.disconnect"}
            return {"type": "http.request", "body": b"x", "more_body": received < 20}

        async def rest():
            for _ in range(100):
                await asyncio.sleep(0)
            return received

        loop = asyncio.get_running_loop()
        proxy = replica.ASGIDIReceiveProxy({"type": "http"}, receive, loop)
        task = proxy.fetch_until_disconnect_task()
        ahead = [await rest()]
        readers = [asyncio.create_task(proxy()) for _ in range(3)]
        ahead.append(await rest())
        assert all(reader.result()["more_body"] for reader in readers)
        bodies = [await proxy() for _ in range(17)]
        assert [body["more_body"] for body in bodies] == [True] * 16 + [False]
        last = asyncio.create_task(proxy())
        is_gone.set()
        await task
        kinds = [(await last)["type"], (await proxy())["type"]]
        received = 0
        unread = replica.ASGIDIReceiveProxy({"type": "http"}, receive, loop)
        task = unread.fetch_until_disconnect_task()
        await rest()
        task.cancel()
        await asyncio.wait([task], timeout=5)
        return ahead, kinds, task.cancelled()

    bound_receive()
    found = asyncio.run(look())
    del replica.ASGIDIReceiveProxy
    try:
        bound_receive()
    except StartupError as error:
        print(json.dumps([*found, str(error)]))
    """
)
_BIND_GRPC = dedent(
    """
    from ray.serve._private import default_impl
    from app.errors import StartupError
    from app.deployments.serve_patches import bind_grpc

    del default_impl.add_grpc_address
    try:
        bind_grpc("127.0.0.1")
    except StartupError as error:
        print(error)
    """
)
_DROP_METRICS = dedent(
    """
    import json, os
    from ray.util import metrics
    from app.errors import StartupError
    from app.deployments.serve_patches import drop_metrics

    class Recorder:
        def record(self, value, tags):
            recorded.append(value)

    def count(number):
        counter = metrics.Counter("seen")
        counter._metric = Recorder()
        counter.inc(number)

    recorded = []
    drop_metrics()
    count(1)
    os.environ["RAY_enable_metrics_collection"] = "0"
    drop_metrics()
    count(2)
    del metrics.Metric._record
    try:
        drop_metrics()
    except StartupError as error:
        print(json.dumps([recorded, str(error)]))
    """
)


def run_script(script: str) -> str:
    """Run Python beside Serve; gives what it prints."""
    return subprocess.run(
        [sys.executable, "-c", script],
        cwd=ROOT,
        env=make_environment(),
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    ).stdout


def test_a_replica_listens_on_this_machine_or_not_at_all() -> None:
    """What asks for every interface gets 127.0.0.1; a Serve that asks otherwise is refused."""
    found, said = json.loads(run_script(_BIND_REPLICA))
    assert found == [True, False, False]
    assert "has no ray.serve._private.replica.add_port_to_grpc_server" in said


def test_a_body_is_received_a_little_ahead_of_what_is_read() -> None:
    """One that nobody reads waits, and ends with its request; whoever leaves is heard after it."""
    ahead, kinds, is_ended, said = json.loads(run_script(_BOUND_RECEIVE))
    assert ahead == [RECEIVE_QUEUE_SIZE + 1, RECEIVE_QUEUE_SIZE + 4]
    assert kinds == ["http.disconnect"] * 2
    assert is_ended
    assert "has no ray.serve._private.replica.ASGIDIReceiveProxy" in said


def test_grpc_listens_where_http_does_or_not_at_all() -> None:
    """A Serve that binds in another way is refused."""
    assert "has no ray.serve._private.default_impl.add_grpc_address" in run_script(_BIND_GRPC)


def test_metrics_are_dropped_where_nobody_collects_them() -> None:
    """Where Ray collects them they are recorded; a Ray that records otherwise is refused."""
    recorded, said = json.loads(run_script(_DROP_METRICS))
    assert recorded == [1]
    assert "has no Metric._record" in said
