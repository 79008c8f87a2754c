"""Pages of metrics that no service would give, and those of one that restarts."""

from collections.abc import Iterable

HEAD = 'deployment="Ingress",replica="%s"'


def make_page(*replicas: tuple[str, float], extra: Iterable[str] = ()) -> bytes:
    """Make a page of ingress replicas that have answered so many requests, each in 0.2 s."""
    lines = list(extra)
    for replica, count in replicas:
        who = HEAD % replica
        lines += [
            f'vitrine_requests_total{{{who},route="/predict",status="200",problem=""}} {count}',
            f"vitrine_images_total{{{who}}} {count}",
            f'vitrine_request_seconds_bucket{{{who},route="/predict",le="0.1"}} 0',
            f'vitrine_request_seconds_bucket{{{who},route="/predict",le="0.3"}} {count}',
            f'vitrine_request_seconds_bucket{{{who},route="/predict",le="+Inf"}} {count}',
        ]
    return "".join(f"{line}\n" for line in lines).encode()
