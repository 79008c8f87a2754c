"""HAProxy's configuration as the installed Serve writes it."""

from itertools import product
from pathlib import Path

from ray.serve._private.common import RequestProtocol
from ray.serve._private.haproxy import BackendConfig, HAProxyApi, HAProxyConfig, ServerConfig
from ray.serve.config import HTTPOptions, gRPCOptions

ROUTES = {"vitrine": "/", "other": "/other"}
"""The applications and their prefixes."""


Ports = tuple[int, int, int, int]
"""Of HTTP, gRPC, the metrics and the statistics."""


def write_serve_file(
    folder: Path, ports: Ports, replicas: int = 0, *, is_measured: bool = True
) -> Path:
    """Write the file of a node; Serve's metrics of each request are on unless it is said."""
    api = make_haproxy_api(folder, ports, is_measured=is_measured)
    set_replicas(api, replicas)
    api._generate_config_file_internal()  # noqa: SLF001 - no public method writes the file alone
    return folder / "haproxy.cfg"


def make_haproxy_api(folder: Path, ports: Ports, *, is_measured: bool = True) -> HAProxyApi:
    """Make what writes the file, and starts and reloads HAProxy; all files are in `folder`."""
    http, grpc, metrics, stats = ports
    config = HAProxyConfig(
        http_options=HTTPOptions(host="127.0.0.1", port=http),
        grpc_options=gRPCOptions(port=grpc, grpc_servicer_functions=["module:function"]),
        metrics_port=metrics,
        stats_port=stats,
        socket_path=str(folder / "admin.sock"),
        server_state_base=str(folder),
        server_state_file=str(folder / "state"),
        metrics_socket_path=str(folder / "metrics.sock"),
        metrics_enabled=is_measured,
        close_spread_time_s=1,
        timeout_server_s=60,
        timeout_queue_s=60,
        retries=8,
        is_head=True,
    )
    return HAProxyApi(config, config_file_path=str(folder / "haproxy.cfg"))


def set_replicas(api: HAProxyApi, replicas: int) -> None:
    """Set how many replicas each application has; with none there is no application."""
    if replicas:
        backends = [_make_backend(*names, replicas) for names in product(RequestProtocol, ROUTES)]
        api.set_backend_configs({backend.name: backend for backend in backends})
        api.set_grpc_fallback_server(ServerConfig("fallback", "127.0.0.1", 20_000))


def _make_backend(protocol: RequestProtocol, app: str, replicas: int) -> BackendConfig:
    """Make the backend of one application and protocol; nothing listens on its ports."""
    return BackendConfig(
        name=f"{protocol.value.lower()}-{app}",
        path_prefix=ROUTES[app],
        app_name=app,
        protocol=protocol,
        servers=[
            ServerConfig(f"replica-{number}", "127.0.0.1", 20_001 + number)
            for number in range(replicas)
        ],
        fallback_server=ServerConfig("fallback", "127.0.0.1", 20_000),
    )
