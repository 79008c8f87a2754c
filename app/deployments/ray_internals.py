"""Private names of Ray (2.60) that we use or replace: one table.

tests/contract/test_ray.py checks that the installed Ray has them and still uses them as we assume.
"""

from typing import NamedTuple


class PrivateName(NamedTuple):
    """A name that Ray may change without notice.

    Attributes:
        module: where it is defined or looked up.
        name: its name there, dotted for a member of a class.
        user: file below `ray/` that must use it.
        uses: how that file uses it, word for word.
        why: what we need it for.
        breaks: what happens when it is gone, renamed or no longer used.
    """

    module: str
    name: str
    user: str
    uses: tuple[str, ...]
    why: str
    breaks: str


# fmt: off
PRIVATE_NAMES = tuple(PrivateName(*row) for row in (
    ("ray.serve._private.replica", "add_port_to_grpc_server",
     "serve/_private/replica.py", ('add_port_to_grpc_server(self._server, "[::]:0")',),
     "`bind_replica` replaces it: no setting says where a replica's gRPC server listens",
     "replicas listen on every interface; where the name is gone they do not start"),
    ("ray.serve._private.default_impl", "add_grpc_address",
     "serve/_private/grpc_util.py",
     ("import add_grpc_address\n\n    server =",
      'add_grpc_address(server, f"[::]:{grpc_options.port}")'),
     "`bind_grpc` replaces it: no setting says where the gRPC proxy listens",
     "gRPC listens on every interface; where the name is gone nothing starts"),
    ("ray.serve._private.replica", "ASGIDIReceiveProxy",
     "serve/_private/replica.py", ("receive_proxy = ASGIDIReceiveProxy(",),
     "`bound_receive` replaces it: Serve receives bodies without bound",
     "a body fills memory; where the name is gone the ingress does not start"),
    ("ray.serve._private.direct_ingress_http_util", "ASGIDIReceiveProxy.queue",
     "serve/_private/direct_ingress_http_util.py",
     ("if self._queue is None:\n            self._queue = asyncio.Queue()",),
     "`bound_receive` sets `_queue`, which this property makes when it is None",
     "a body fills memory, and nothing says so"),
    ("ray.serve._private.direct_ingress_http_util", "ASGIDIReceiveProxy.queue",
     "serve/_private/direct_ingress_http_util.py",
     ("await self.queue.put(msg)", "asyncio.get_running_loop() == self._user_event_loop"),
     "the task that receives waits for room in it, on the server's event loop",
     "a body that is longer than the queue fails"),
    ("ray.util.metrics", "Metric._record",
     "util/metrics.py", ("self._record(value, tags",),
     "`drop_metrics` replaces it: no setting keeps Serve from recording what nobody collects",
     "each request costs more CPU; where the name is gone replicas do not start"),
    ("ray.serve._private.request_router.pow_2_router", "PowerOfTwoChoicesRequestRouter",
     "serve/_private/request_router/pow_2_router.py", ("class PowerOfTwoChoicesRequestRouter(",),
     "`GroupRouter` is this router but for one method",
     "nothing starts: the import fails"),
    ("ray.serve._private.request_router.request_router", "RequestRouter.on_new_queue_len_info",
     "serve/_private/router.py", ("self._active_request_router.on_new_queue_len_info(",),
     "`GroupRouter` overrides it: the lengths that come are old",
     "groups pile up on one replica while another idles, and nothing says so"),
    ("ray.serve.handle", "DeploymentHandle.options",
     "serve/handle.py", ("_by_reference=_by_reference,",),
     "the ingress sets `_by_reference`: else the process that built the app says how groups travel",
     "nothing starts: the option is not known"),
    ("ray.serve.handle", "DeploymentBroadcastResponse._fetch_replica_results_async",
     "serve/handle.py", ("*[rr.get_async() for rr in replica_results],",),
     "`collect_metrics` waits for each replica: `results_async` gives nothing where one is missing",
     "/metrics answers 500; nothing else does"),
    ("ray.serve.context", "_get_serve_request_context",
     "serve/_private/default_impl.py", ("ray.serve.context._get_serve_request_context()",),
     "the ingress logs a call from Python under the id of the request that it serves",
     "nothing starts: the import fails"),
    ("ray.serve.context", "_get_global_client",
     "serve/_private/client.py", ("def http_config(self)",),
     "`configure_server` and `check_exposure` ask it for the host of HTTP",
     "nothing starts: the import fails"),
))
# fmt: on
