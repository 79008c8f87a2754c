"""What the commands do that ask a running service. Each imports what it needs when it runs."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TypedDict, Unpack

from rich.console import Console

from app.cli.service_options import read_key
from app.exit_codes import EXIT_FAILED, EXIT_INTERRUPTED
from app.settings import Settings


class LoadFlags(TypedDict):
    """The options of `vitrine load`."""

    rate: Sequence[float]
    connections: int
    duration: float
    target: float
    timeout: float
    key: str | None
    json: bool
    plot: Path | None


def load_service(
    _settings: Settings, url: str, images: list[Path], **flags: Unpack[LoadFlags]
) -> int:
    """Send images to a running service at given rates, and say which rate it bears."""
    from app.client.endpoint import read_endpoint  # noqa: PLC0415
    from app.client.load.images import read_images  # noqa: PLC0415
    from app.client.load.measurement import measure  # noqa: PLC0415
    from app.client.load.plan import LoadPlan  # noqa: PLC0415
    from app.client.load.plot import check_plot, draw_plot  # noqa: PLC0415
    from app.client.load.progress import show_progress  # noqa: PLC0415
    from app.client.load.report import make_report  # noqa: PLC0415
    from app.client.load.table import print_report  # noqa: PLC0415

    if plot := flags["plot"]:
        check_plot(plot)
    plan = LoadPlan(
        read_endpoint(url, "/predict", read_key(flags["key"])),
        read_images(images),
        rates=flags["rate"],
        duration_s=flags["duration"],
        connections=flags["connections"],
        target_s=flags["target"],
        timeout_s=flags["timeout"],
    )
    with show_progress(Console(stderr=True)) as show:
        report = make_report(measure(plan, show))
    if flags["json"]:
        print(json.dumps(asdict(report)))
    else:
        print_report(report, Console())
    if plot and report.rates:
        draw_plot(report, plot)
    if report.interrupted:
        return EXIT_INTERRUPTED
    return EXIT_FAILED if report.best_per_s is None else 0


def watch_service(
    _settings: Settings, url: str, interval: float, *, once: bool, key: str | None
) -> int:
    """Show a running service: its routes, stages, replicas and labels."""
    from app.client.endpoint import read_endpoint  # noqa: PLC0415
    from app.client.top.screen import print_once, watch  # noqa: PLC0415

    endpoint, console = read_endpoint(url, "/metrics", read_key(key)), Console()
    show = print_once if once or not console.is_terminal else watch
    show(endpoint, interval, console)
    return 0
