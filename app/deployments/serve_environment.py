"""Environment variables of Ray and Serve that we set: one table, with why and who reads each.

Ray reads them when it is imported and when its processes start, so they are set before both. On a
cluster those of Serve may also be given in the Serve config file (`controller_options`), from which
every process of Serve gets them on every node; deploy/serve.yaml does so.
tests/contract/test_ray.py checks that the installed Ray still reads them.
"""

from collections.abc import Mapping
from typing import Literal, NamedTuple

Scope = Literal["serve", "node", "cluster", "secret", "machine", "job", "train"]

ALIKE = frozenset[Scope]({"serve", "node", "cluster"})
"""Scopes of what all nodes of a cluster have, with the same values."""

_SERVE = "serve/_private/{}.py"
_HAPROXY, _REPLICA = _SERVE.format("haproxy"), _SERVE.format("replica")
_PORTS, _PROXIES = _SERVE.format("node_port_manager"), _SERVE.format("proxy_state")
_CONSTANTS, _RAYLET = _SERVE.format("constants"), "core/src/ray/raylet/raylet"

GRPC_ENVELOPE = 64 * 1024
"""Bytes that a gRPC message may have beside the image."""


class Variable(NamedTuple):
    """One environment variable.

    Attributes:
        scope: `serve` when the contract or the speed needs it and the processes of Serve read it;
            `node` when it is needed as well, but Ray reads it when a node starts; `cluster` the
            same, where there are other nodes; `secret` the same, but it may be in a file instead;
            `machine` when it keeps a Ray to one machine, which `vitrine serve` alone does; `job`
            when `vitrine score` and `vitrine tune` set it on any Ray (`app.ray_session`); `train`
            when `vitrine tune` sets it (`app.training.tune`).
        name: its name.
        value: its value; a name in braces stands for what is known when the service starts.
        reader: file below `ray/` that acts on it.
        why: what is wrong without it.
    """

    scope: Scope
    name: str
    value: str
    reader: str
    why: str


# fmt: off
VARIABLES = tuple(Variable(*row) for row in (
    ("serve", "RAY_SERVE_THROUGHPUT_OPTIMIZED", "1", _CONSTANTS,
     "groups travel by actor calls, and a replica has two event loops"),
    ("serve", "RAY_SERVE_REPLICA_GRPC_MAX_MESSAGE_LENGTH", "1073741824", _REPLICA,
     "a group has at most 4 MB, 27 images of 224 x 224 pixels"),
    ("serve", "RAY_SERVE_GRPC_MAX_MESSAGE_SIZE", "{grpc_bytes}", _CONSTANTS,
     "a gRPC client may send 2 GiB in one message"),
    ("serve", "RAY_SERVE_HTTP_PROXY_CALLBACK_IMPORT_PATH",
     "app.deployments.server_hook:configure_server", _SERVE.format("http_util"),
     "gRPC listens on every interface, and clients can set Serve's own headers"),
    ("serve", "RAY_SERVE_ENABLE_HA_PROXY", "{haproxy}", _REPLICA,
     "each request passes through a proxy in Python"),
    ("serve", "RAY_SERVE_ENABLE_DIRECT_INGRESS", "{haproxy}", _REPLICA,
     "RAY_SERVE_THROUGHPUT_OPTIMIZED turns it on, which without HAProxy leaves no proxy at all"),
    ("serve", "RAY_SERVE_HAPROXY_TIMEOUT_CLIENT_S", "60", _HAPROXY,
     "a client may send nothing for an hour while it is its turn"),
    ("serve", "RAY_SERVE_HAPROXY_TUNE_BUFSIZE", "131072", _HAPROXY,
     "an image of 80 kB is passed on in five pieces, and cannot be sent to another replica"),
    ("serve", "RAY_SERVE_HAPROXY_RETRY_ON", "conn-failure empty-response", _HAPROXY,
     "a request that a killed replica took is lost; to classify it twice changes nothing"),
    ("serve", "RAY_SERVE_HAPROXY_RETRIES", "8", _HAPROXY,
     "each idle connection to a dead replica costs one of three tries"),
    ("serve", "RAY_SERVE_HAPROXY_TIMEOUT_CONNECT_S", "2", _HAPROXY,
     "a try to reach a replica of a machine that has vanished takes 5 s, of eight tries"),
    ("serve", "RAY_SERVE_HAPROXY_METRICS_ENABLED", "0", _HAPROXY,
     "HAProxy sends a line to a Python process for each request"),
    ("serve", "RAY_SERVE_HAPROXY_BINARY_PATH", "{program}", _HAPROXY,
     "HAProxy runs with Serve's file: plain-text errors, no limits, an admin socket for all users"),
    ("serve", "RAY_SERVE_METRICS_EXPORT_INTERVAL_MS", "10000", _REPLICA,
     "every replica wakes ten times a second for its metrics"),
    ("serve", "RAY_grpc_client_keepalive_timeout_ms", "5000", "_raylet.so",
     "groups for a classifier whose machine has vanished wait until the deadline, and others too"),
    ("node", "RAY_worker_niceness", "0", _RAYLET,
     "replicas run at niceness 15, behind any other process"),
    ("machine", "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER", "0", "_private/ray_constants.py",
     "on macOS and Windows the node has an address that others reach"),
    ("cluster", "RAY_gcs_rpc_server_reconnect_timeout_s", "3600", _RAYLET,
     "a minute after the head has died, every other node ends what it serves"),
    ("node", "RAY_enable_metrics_collection", "0", _RAYLET,
     "every process measures and sends metrics for Ray's dashboards, the ingress for each request"),
    ("node", "RAY_AUTH_MODE", "token", _RAYLET,
     "whoever reaches a port of this Ray can run code in it"),
    ("secret", "RAY_AUTH_TOKEN", "{token}", _RAYLET,
     "Ray writes a token into the home of the user, and another Ray has the same one"),
    ("machine", "RAY_TMPDIR", "{folder}", "_common/utils.py",
     "Ray's logs and sockets lie in a folder of all users, and stay after a stop"),
    ("machine", "RAY_USAGE_STATS_ENABLED", "0", "_common/usage/usage_lib.py",
     "Ray reports to its makers"),
    ("machine", "RAY_SERVE_DIRECT_INGRESS_MIN_DRAINING_PERIOD_S", "0.5", _REPLICA,
     "a stop takes 30 s, for load balancers that are not there"),
    # Replicas share ports (SO_REUSEPORT): two services on one port get each other's requests.
    ("machine", "RAY_SERVE_DIRECT_INGRESS_MIN_HTTP_PORT", "{ports[0]}", _PORTS,
     "replicas of every service take 30000 and up"),
    ("machine", "RAY_SERVE_DIRECT_INGRESS_MAX_HTTP_PORT", "{ports[47]}", _PORTS, "the same"),
    ("machine", "RAY_SERVE_DIRECT_INGRESS_MIN_GRPC_PORT", "{ports[48]}", _PORTS,
     "replicas of every service take 40000 and up"),
    ("machine", "RAY_SERVE_DIRECT_INGRESS_MAX_GRPC_PORT", "{ports[95]}", _PORTS, "the same"),
    ("machine", "RAY_SERVE_FALLBACK_PROXY_HTTP_PORT", "{ports[96]}", _PROXIES,
     "every service has 8500 for the proxy that HAProxy turns to while no replica runs"),
    ("machine", "RAY_SERVE_FALLBACK_PROXY_GRPC_PORT", "{ports[97]}", _PROXIES,
     "every service has 9500 for the same proxy"),
    ("machine", "RAY_SERVE_HAPROXY_METRICS_PORT", "{ports[98]}", _HAPROXY,
     "every service has 9101 for HAProxy's metrics"),
    ("machine", "RAY_SERVE_HAPROXY_STATS_PORT", "{ports[99]}", _HAPROXY,
     "every service has 8404 for HAProxy's statistics"),
    ("machine", "RAY_SERVE_HAPROXY_CONFIG_FILE_LOC", "{folder}/haproxy.cfg", _HAPROXY,
     "every service has its HAProxy's files in one folder"),
    ("machine", "RAY_SERVE_HAPROXY_SOCKET_PATH", "{folder}/admin.sock", _HAPROXY, "the same"),
    ("machine", "RAY_SERVE_HAPROXY_METRICS_SOCKET_PATH", "{folder}/metrics.sock", _HAPROXY,
     "the same"),
    ("machine", "RAY_SERVE_HAPROXY_SERVER_STATE_BASE", "{folder}", _HAPROXY, "the same"),
    ("machine", "RAY_SERVE_HAPROXY_SERVER_STATE_FILE", "{folder}/state", _HAPROXY, "the same"),
    ("job", "RAY_ENABLE_AUTO_CONNECT", "0", "_private/auto_init_hook.py",
     "a thread that calls Ray when that has ended starts another one"),
    ("train", "RAY_TRAIN_HEALTH_CHECK_INTERVAL_S", "0.2",
     "train/v2/_internal/execution/controller/controller.py",
     "each epoch waits for its report until Ray Train looks for it, every 2 s"),
))
# fmt: on


def list_variables(scope: Scope, **known: object) -> dict[str, str]:
    """List the variables of one scope, with what is `known` in the braces of their values."""
    rows = [row for row in VARIABLES if row.scope == scope]
    return {row.name: row.value.format(**known) for row in rows}


def list_node_variables() -> dict[str, str]:
    """List the variables that Ray needs on every node of a cluster, but for secrets."""
    return list_variables("node") | list_variables("cluster")


def list_serve_variables(max_bytes: int, program: str | None) -> dict[str, str]:
    """List the variables that the processes of Serve need on every node.

    Args:
        max_bytes: size of the largest upload.
        program: path of `vitrine-haproxy` on the nodes; None for Serve's proxy in Python.
    """
    known = {"haproxy": int(program is not None), "program": program or ""}
    return list_variables("serve", grpc_bytes=max_bytes + GRPC_ENVELOPE, **known)


def describe_missing(environment: Mapping[str, str], *, is_alone: bool = False) -> list[str]:
    """Describe the variables that a process of Serve lacks, each with what that costs.

    Args:
        environment: of the process.
        is_alone: whether no other node can join this one.
    """
    scopes = ALIKE - {"cluster"} if is_alone else ALIKE
    behind_haproxy = environment.get("RAY_SERVE_ENABLE_HA_PROXY") == "1"
    return [
        f"{row.name} ({row.why})"
        for row in VARIABLES
        if row.scope in scopes
        and row.name not in environment
        and (behind_haproxy or row.reader != _HAPROXY)
    ]
