"""What Serve's servers run before they listen, in proxies and ingress replicas: `configure_server`.

`app.deployments.serve_environment` names it to them.
"""

from ray.serve.context import _get_global_client
from starlette.middleware import Middleware

from app.api.http.serve_headers import list_middlewares
from app.deployments.serve_patches import bind_grpc


def configure_server() -> list[Middleware]:
    """Configure a process that serves HTTP or gRPC; returns middlewares for Serve's HTTP app.

    Raises:
        StartupError: gRPC cannot be kept where HTTP is.
    """
    bind_grpc(_get_global_client().http_config.host)
    return list_middlewares()
