"""The command line: `vitrine serve | deploy | predict | check | env | openapi | quantize | key`."""

import argparse
import asyncio
import json
import os
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

from app.auth.keys import hash_key, make_key
from app.cli.options import add_settings, read_settings
from app.errors import ProblemError, VitrineError
from app.network import format_address
from app.observability.logs import choose_format, configure_logging
from app.settings import Settings

EXIT_FAILED = 1
EXIT_NOT_STARTED = 2
EXIT_INTERRUPTED = 130


def main(argv: list[str] | None = None) -> int:
    """Run one command.

    Returns:
        0 when it worked, 1 when an image could not be classified, 2 when it cannot start.
    """
    argv = sys.argv[1:] if argv is None else argv
    arguments = vars(build_parser(argv[:1]).parse_args(argv))
    run = arguments.pop("run")
    options = {name: arguments.pop(name) for name in Settings.model_fields if name in arguments}
    try:
        exit_code: int = run(read_settings(options), **arguments)
    except VitrineError as exc:
        print(f"vitrine: {exc}", file=sys.stderr)
        return EXIT_NOT_STARTED
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED
    return exit_code


def build_parser(chosen: list[str]) -> argparse.ArgumentParser:
    """Build the parser; the chosen command alone gets the settings, which take time to add.

    pydantic-settings adds those, and only those: it would split a file's name at its commas.
    """
    about = "Serve a fine-tuned Vision Transformer over HTTP."
    parser = argparse.ArgumentParser(prog="vitrine", description=about)
    subparsers = parser.add_subparsers(required=True, metavar="COMMAND")
    commands = {}
    for name, run in COMMANDS.items():
        commands[name] = subparsers.add_parser(name, help=run.__doc__, description=run.__doc__)
        commands[name].set_defaults(run=run)
    add = commands["predict"].add_argument
    add("files", nargs="+", type=Path, metavar="FILE", help="images to classify")
    add("--json", action="store_true", help="print one JSON object a file")
    add("--top-k", metavar="N", type=_read_count, default=3, help="predictions a file (default: 3)")
    add = commands["quantize"].add_argument
    add("--images", type=Path, metavar="FOLDER", required=True, help="folder of typical images")
    add("--out", type=Path, metavar="FOLDER", required=True, help="folder to write, a new one")
    help_ = "write nothing below this share of same labels as fp32 (default: 0.99)"
    add("--min-agreement", metavar="SHARE", type=_read_share, default=0.99, help=help_)
    add = commands["env"].add_argument
    help_ = "what reads them (default: dotenv)"
    add("--format", choices=("dotenv", "docker", "kuberay"), default="dotenv", help=help_)
    add = commands["deploy"].add_argument
    add("config", type=Path, metavar="CONFIG", help="Serve config file, such as deploy/serve.yaml")
    address = os.environ.get("RAY_DASHBOARD_ADDRESS", "http://127.0.0.1:8265")
    help_ = f"dashboard of the head node (default: RAY_DASHBOARD_ADDRESS, here {address})"
    add("--address", metavar="URL", default=address, help=help_)
    help_ = "for the nodes to answer, and again for the rollout (default: 600)"
    add("--timeout", metavar="SECONDS", type=_read_count, default=600, help=help_)
    help_ = "deploy replicas that do not fit yet, because an autoscaler adds nodes"
    add("--allow-pending", action="store_true", help=help_)
    for name in {"serve", "predict", "check", "quantize"}.intersection(chosen):
        add_settings(commands[name])
    return parser


def serve_model(settings: Settings) -> int:
    """Serve over HTTP until Ctrl-C or SIGTERM."""
    from app.classifier.checkpoint.files import open_checkpoint  # noqa: PLC0415
    from app.standalone.launch import run_service  # noqa: PLC0415

    style = choose_format(settings.log_format, is_terminal=sys.stderr.isatty())
    configure_logging(style, settings.log_level)
    settings = settings.model_copy(update={"log_format": style})
    checkpoint = open_checkpoint(settings.model, settings.revision, settings.processor)
    run_service(settings, checkpoint)
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


def check_model(settings: Settings) -> int:
    """Load the model and say what would be served."""
    from app.offline.predict import describe_model  # noqa: PLC0415

    description = asyncio.run(describe_model(settings))
    names = ", ".join(description.labels[:5])
    more = ", …" if len(description.labels) > 5 else ""  # noqa: PLR2004 - enough to recognise it
    print(f"model      {description.model_id} at {description.revision}")
    print(f"labels     {len(description.labels)} ({names}{more})")
    print(f"image      {description.geometry.size[1]} x {description.geometry.size[0]} pixels")
    print(f"engine     {description.engine} on {description.device}")
    print(f"address    http://{format_address(settings.host, settings.port)}")
    return 0


def quantize_model(settings: Settings, images: Path, out: Path, min_agreement: float) -> int:
    """Make an int8 checkpoint, and compare it with fp32."""
    from app.offline.quantization import quantize_checkpoint  # noqa: PLC0415

    configure_logging(choose_format(settings.log_format, is_terminal=True), settings.log_level)
    found = quantize_checkpoint(settings, images, out, min_agreement)
    print(f"calibrated on  {found.calibrated} images")
    print(f"compared on    {found.compared} others")
    print(f"same label     {found.agreement:.2%}")
    print(f"probabilities  differ by at most {found.max_difference:.4f}")
    print(f"serve it with  VITRINE_MODEL={out}")
    return 0


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
    "check": check_model,
    "env": print_environment,
    "openapi": print_openapi,
    "quantize": quantize_model,
    "key": print_key,
}


def _read_count(text: str) -> int:
    """Read a number of at least 1."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text} is not at least 1")
    return int(text)


def _read_share(text: str) -> float:
    """Read a number from 0 to 1; argparse tells what ValueError refuses."""
    if not 0 <= float(text) <= 1:
        raise argparse.ArgumentTypeError(f"{text} is not between 0 and 1")
    return float(text)


if __name__ == "__main__":
    sys.exit(main())
