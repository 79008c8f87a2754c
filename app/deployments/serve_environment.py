"""Environment variables of Ray and Serve that we set: one table, with why and who reads each.

Ray reads them when it is imported and when its processes start, so they are set before both.
tests/contract/test_ray.py checks that the installed Ray still reads them.
"""

from typing import Literal, NamedTuple

Scope = Literal["node", "machine", "haproxy"]

_SERVE = "serve/_private/{}.py"
_HAPROXY, _REPLICA = _SERVE.format("haproxy"), _SERVE.format("replica")
_PORTS, _PROXIES = _SERVE.format("node_port_manager"), _SERVE.format("proxy_state")
_CONSTANTS, _RAYLET = _SERVE.format("constants"), "core/src/ray/raylet/raylet"


class Variable(NamedTuple):
    """One environment variable.

    Attributes:
        scope: `node` when the contract or the speed needs it on every node of a cluster, as
            deploy/serve.yaml lists them; `machine` when it keeps a Ray to one machine, which
            `vitrine serve` alone does; `haproxy` when `haproxy_config` sets it.
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
    ("node", "RAY_SERVE_THROUGHPUT_OPTIMIZED", "1", _CONSTANTS,
     "groups travel by actor calls, and a replica has two event loops"),
    ("node", "RAY_SERVE_REPLICA_GRPC_MAX_MESSAGE_LENGTH", "1073741824", _REPLICA,
     "a group has at most 4 MB, 27 images of 224 x 224 pixels"),
    ("node", "RAY_SERVE_GRPC_MAX_MESSAGE_SIZE", "{grpc_bytes}", _CONSTANTS,
     "a gRPC client may send 2 GiB in one message"),
    ("node", "RAY_SERVE_HTTP_PROXY_CALLBACK_IMPORT_PATH",
     "app.deployments.server_hook:configure_server", _SERVE.format("http_util"),
     "gRPC listens on every interface, and clients can set Serve's own headers"),
    ("node", "RAY_SERVE_ENABLE_HA_PROXY", "{haproxy}", _REPLICA,
     "each request passes through a proxy in Python"),
    ("node", "RAY_SERVE_ENABLE_DIRECT_INGRESS", "{haproxy}", _REPLICA,
     "RAY_SERVE_THROUGHPUT_OPTIMIZED turns it on, which without HAProxy leaves no proxy at all"),
    ("node", "RAY_SERVE_HAPROXY_TIMEOUT_CLIENT_S", "60", _HAPROXY,
     "a client may send nothing for an hour while it is its turn"),
    ("node", "RAY_SERVE_HAPROXY_TUNE_BUFSIZE", "131072", _HAPROXY,
     "an image of 80 kB is passed on in five pieces, and cannot be sent to another replica"),
    ("node", "RAY_SERVE_HAPROXY_RETRY_ON", "conn-failure empty-response", _HAPROXY,
     "a request that a killed replica took is lost; to classify it twice changes nothing"),
    ("node", "RAY_SERVE_HAPROXY_RETRIES", "8", _HAPROXY,
     "each idle connection to a dead replica costs one of three tries"),
    ("node", "RAY_SERVE_HAPROXY_METRICS_ENABLED", "0", _HAPROXY,
     "HAProxy sends a line to a Python process for each request"),
    ("haproxy", "RAY_SERVE_HAPROXY_BINARY_PATH", "the program that starts HAProxy", _HAPROXY,
     "HAProxy runs with Serve's file as it is"),
    ("node", "RAY_worker_niceness", "0", _RAYLET,
     "replicas run at niceness 15, behind any other process"),
    ("machine", "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER", "0", "_private/ray_constants.py",
     "on macOS and Windows the node has an address that others reach"),
    ("machine", "RAY_AUTH_MODE", "token", _RAYLET,
     "every user of this machine can run code in this Ray"),
    ("machine", "RAY_AUTH_TOKEN", "{token}", _RAYLET,
     "Ray writes a token into the home of the user, and another Ray has the same one"),
    ("machine", "RAY_TMPDIR", "{folder}", "_common/utils.py",
     "Ray's logs and sockets lie in a folder of all users, and stay after a stop"),
    ("machine", "RAY_USAGE_STATS_ENABLED", "0", "_common/usage/usage_lib.py",
     "Ray reports to its makers"),
    ("machine", "RAY_enable_metrics_collection", "0", _RAYLET,
     "every process sends metrics, which no dashboard shows here"),
    ("machine", "RAY_SERVE_METRICS_EXPORT_INTERVAL_MS", "10000", _REPLICA,
     "every replica wakes ten times a second for the same metrics"),
    ("machine", "RAY_SERVE_DIRECT_INGRESS_MIN_DRAINING_PERIOD_S", "0.5", _REPLICA,
     "a stop takes 30 s, for load balancers that are not there"),
    ("machine", "RAY_SERVE_HAPROXY_HARD_STOP_AFTER_S", "20", _HAPROXY,
     "an HAProxy that was replaced stays for two minutes"),
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
))
# fmt: on


def list_variables(scope: Scope, **known: object) -> dict[str, str]:
    """List the variables of one scope, with what is `known` in the braces of their values."""
    rows = [row for row in VARIABLES if row.scope == scope]
    return {row.name: row.value.format(**known) for row in rows}
