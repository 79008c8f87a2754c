"""What each command does. Each imports what it needs when it runs: help is there at once."""

import asyncio
import json
import os
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

from app.auth.keys import hash_key, make_key
from app.cli.evaluation_commands import evaluate_model
from app.cli.scoring_commands import score_images
from app.cli.service_commands import load_service, watch_service
from app.cli.training_commands import tune_model
from app.errors import ProblemError
from app.exit_codes import EXIT_FAILED
from app.network import format_address
from app.observability.logs import choose_format, configure_logging
from app.observability.status_line import StatusLine, can_show_status
from app.settings import Settings
from schemas import ExplainMethod


def serve_model(settings: Settings, *, status: bool) -> int:
    """Serve over HTTP until Ctrl-C or SIGTERM."""
    from app.classifier.opening import open_configured  # noqa: PLC0415
    from app.standalone.launch import run_service  # noqa: PLC0415

    style = choose_format(settings.log_format, is_terminal=sys.stderr.isatty())
    is_live = status and style == "text" and can_show_status(sys.stderr, os.environ)
    output = StatusLine(sys.stderr, is_live=is_live, has_colors="NO_COLOR" not in os.environ)
    configure_logging(style, settings.log_level, output=output)
    settings = settings.model_copy(update={"log_format": style})
    checkpoint = open_configured(settings)
    run_service(settings, checkpoint, output)
    return 0


def deploy_file(
    _settings: Settings, config: Path, address: str, timeout: int, *, allow_pending: bool
) -> int:
    """Check a Serve config file, deploy it to a cluster, and wait until it serves."""
    from app.deployments.rollout.rollout import RolloutOptions, deploy_config  # noqa: PLC0415

    options = RolloutOptions(address, timeout, may_wait=allow_pending)
    deploy_config(config, options, partial(print, flush=True))
    return 0


def predict_files(settings: Settings, files: list[Path], *, json: bool, top_k: int) -> int:
    """Classify files without a server, into a table or JSON."""
    from app.offline.predict import classify_files, print_json, print_table  # noqa: PLC0415

    outcomes = asyncio.run(classify_files(settings, files, top_k))
    (print_json if json else print_table)(outcomes)
    failed = any(isinstance(outcome, ProblemError) for _, outcome in outcomes)
    return EXIT_FAILED if failed else 0


def explain_files(
    settings: Settings, files: list[Path], out: Path, label: list[str], method: ExplainMethod
) -> int:
    """Show where the model looked in files: a PNG with a map, and its numbers as JSON."""
    from app.offline.explain import explain_files as explain  # noqa: PLC0415
    from app.offline.explain import print_table  # noqa: PLC0415

    outcomes = asyncio.run(explain(settings, files, out, label, method))
    print_table(outcomes)
    failed = any(isinstance(outcome, ProblemError) for _, outcome in outcomes)
    return EXIT_FAILED if failed else 0


def check_model(settings: Settings) -> int:
    """Load the model and say what would be served."""
    from app.offline.predict import describe_model  # noqa: PLC0415

    description = asyncio.run(describe_model(settings))
    names = ", ".join(description.labels[:5])
    more = ", …" if len(description.labels) > 5 else ""  # noqa: PLR2004 - enough to recognise it
    print(f"model      {description.model_id} at {description.revision}")
    print(f"labels     {len(description.labels)} ({names}{more})")
    if description.temperature != 1.0:
        print(f"scores     calibrated, temperature {description.temperature:g}")
    print(f"image      {description.geometry.size[1]} x {description.geometry.size[0]} pixels")
    print(f"engine     {description.engine} on {description.device}")
    print(f"address    http://{format_address(settings.host, settings.port)}")
    return 0


def quantize_model(settings: Settings, images: Path, out: Path, min_agreement: float) -> int:
    """Make an int8 checkpoint, and compare it with fp32."""
    from app.offline.quantization import list_results, quantize_checkpoint  # noqa: PLC0415

    configure_logging(choose_format(settings.log_format, is_terminal=True), settings.log_level)
    found = quantize_checkpoint(settings, images, out, min_agreement)
    print("\n".join(list_results(found, out)))
    return 0


def profile_service(
    _settings: Settings, seconds: int, rate: int, out: Path, pid: int | None
) -> int:
    """Write flame graphs of the processes of the service that runs here, with py-spy."""
    from app.standalone.profile import record_profiles  # noqa: PLC0415
    from app.standalone.profile_targets import find_targets  # noqa: PLC0415

    profiles = record_profiles(find_targets(pid), out, seconds, rate)
    for (kind, number), file, about in profiles:
        print(f"{kind:<11} {number:<8} {file or 'no file:'}  {about}")
    return 0 if any(profile.file for profile in profiles) else EXIT_FAILED


def print_environment(settings: Settings, format: str) -> int:  # noqa: A002 - the option's name
    """Print the environment variables that every node of a cluster needs."""
    from app.cli.environment import list_environment  # noqa: PLC0415

    print("\n".join(list_environment(settings.max_bytes, format)))
    return 0


def print_openapi(settings: Settings) -> int:
    """Print the OpenAPI description, without loading a model."""
    from app.api.http.factory import create_app  # noqa: PLC0415
    from app.api.services import build_services  # noqa: PLC0415
    from app.offline.predict import build_predictor  # noqa: PLC0415

    app = create_app(build_services(build_predictor(settings)))
    print(json.dumps(app.openapi(), indent=2, ensure_ascii=False))
    return 0


def print_key(_settings: Settings) -> int:
    """Make a key for a client, and print it with its hash; neither is kept."""
    key = make_key()
    print(f"key   {key}")
    print(f"hash  {hash_key(key)}")
    return 0


COMMANDS: dict[str, Callable[..., int]] = {
    "serve": serve_model,
    "deploy": deploy_file,
    "predict": predict_files,
    "score": score_images,
    "explain": explain_files,
    "check": check_model,
    "load": load_service,
    "top": watch_service,
    "env": print_environment,
    "openapi": print_openapi,
    "quantize": quantize_model,
    "evaluate": evaluate_model,
    "tune": tune_model,
    "key": print_key,
    "profile": profile_service,
}
