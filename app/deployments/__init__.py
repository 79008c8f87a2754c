"""Ray Serve, on every node: the two deployments and what adapts Serve to them.

    serve run --name vitrine app.deployments:build model=./my-vit

or with a Serve config file, `vitrine deploy` or `vitrine serve`.

Assumed of Ray, beyond its public interface: the names in `ray_internals` and the variables in
`serve_environment`. Importing this package does not import Ray, which reads its environment when it
is imported: the launcher sets that environment first.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from app.deployments.application import build as build


def __getattr__(name: str) -> object:
    """Import `build` when it is asked for (PEP 562)."""
    if name != "build":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from app.deployments.application import build  # noqa: PLC0415

    return build
