"""What Serve's servers run before they listen, in proxies and ingress replicas: `prepare_server`.

`app.proxy` names it to them.
"""

from ray.serve._private import default_impl
from ray.serve.context import _get_global_client
from starlette.middleware import Middleware

from app.api.headers import list_middlewares
from app.errors import StartupError
from app.front import format_address

_BIND = "add_grpc_address"


def prepare_server() -> list[Middleware]:
    """Prepare a process that serves HTTP or gRPC; gives what stands before Serve's HTTP app.

    Raises:
        StartupError: gRPC cannot be kept where HTTP is.
    """
    bind_grpc(_get_global_client().http_config.host)
    return list_middlewares()


def bind_grpc(host: str) -> None:
    """Let gRPC listen where HTTP does, for which Serve has no setting: it asks for `[::]`.

    The function that binds (Ray 2.60) is replaced by name in its module.

    Raises:
        StartupError: this Serve has no such function; nothing is opened to the network in silence.
    """
    bind = getattr(default_impl, _BIND, None)
    if bind is None:
        message = (
            f"This Ray has no {default_impl.__name__}.{_BIND}, so gRPC cannot be kept on {host}. "
            "Install the Ray that constraints.txt names."
        )
        raise StartupError(message)

    def bind_there(server: object, address: str) -> None:
        bind(server, format_address(host, int(address.rpartition(":")[2])))

    setattr(default_impl, _BIND, bind_there)
