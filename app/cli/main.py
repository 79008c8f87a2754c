"""The command line, `vitrine serve | predict | check | openapi | quantize | key`: what works."""

import argparse
import asyncio
import json
import sys
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

OWN = ("files", "json", "top_k", "images", "out", "min_agreement")
"""Arguments that are no settings."""


def main(argv: list[str] | None = None) -> int:
    """Run one command.

    Returns:
        0 when it worked, 1 when an image could not be classified, 2 when it cannot start.
    """
    arguments = vars(build_parser().parse_args(argv))
    run = arguments.pop("run")
    own = {name: arguments.pop(name) for name in OWN if name in arguments}
    try:
        exit_code: int = run(read_settings(arguments), **own)
    except VitrineError as exc:
        print(f"vitrine: {exc}", file=sys.stderr)
        return EXIT_NOT_STARTED
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED
    return exit_code


def build_parser() -> argparse.ArgumentParser:
    """Build the parser; every setting is an option of every command that reads it."""
    parser = argparse.ArgumentParser(
        prog="vitrine", description="Serve a fine-tuned Vision Transformer over HTTP."
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    serve = _add_command(commands, "serve", serve_model, "serve over HTTP until Ctrl-C")
    predict = _add_command(commands, "predict", predict_files, "classify files, without a server")
    predict.add_argument("files", nargs="+", type=Path, metavar="FILE", help="images to classify")
    predict.add_argument("--json", action="store_true", help="one JSON document a file")
    predict.add_argument(
        "--top-k", type=_read_positive, default=3, help="predictions a file (default: 3)"
    )
    check = _add_command(commands, "check", check_model, "say what would be served")
    _add_command(commands, "openapi", print_openapi, "print the OpenAPI document")
    quantize = _add_command(commands, "quantize", quantize_model, "make an int8 checkpoint")
    quantize.add_argument("--images", type=Path, required=True, help="folder of typical images")
    quantize.add_argument("--out", type=Path, required=True, help="folder to write, a new one")
    quantize.add_argument(
        "--min-agreement",
        type=_read_share,
        default=0.99,
        help="write nothing below this share of same labels as fp32 (default: 0.99)",
    )
    _add_command(commands, "key", print_key, "make a key for a client")
    for command in (serve, predict, check, quantize):
        add_settings(command)
    return parser


def serve_model(settings: Settings) -> int:
    """Serve until Ctrl-C or SIGTERM."""
    from app.classifier.checkpoint.files import open_checkpoint  # noqa: PLC0415
    from app.standalone.launch import run_service  # noqa: PLC0415

    style = choose_format(settings.log_format, is_terminal=sys.stderr.isatty())
    configure_logging(style, settings.log_level)
    settings = settings.model_copy(update={"log_format": style})
    open_checkpoint(settings.model, settings.revision, settings.processor)
    run_service(settings)
    return 0


def predict_files(settings: Settings, files: list[Path], *, json: bool, top_k: int) -> int:
    """Classify files in this process: a table in a terminal, JSON with `--json`."""
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
    """Make an int8 checkpoint and say how it compares with fp32."""
    from app.offline.quantization import quantize_checkpoint  # noqa: PLC0415

    configure_logging(choose_format(settings.log_format, is_terminal=True), settings.log_level)
    found = quantize_checkpoint(settings, images, out, min_agreement)
    print(f"calibrated on  {found.calibrated} images")
    print(f"compared on    {found.compared} others")
    print(f"same label     {found.agreement:.2%}")
    print(f"probabilities  differ by at most {found.max_difference:.4f}")
    print(f"serve it with  VITRINE_MODEL={out}")
    return 0


def print_openapi(settings: Settings) -> int:
    """Print the OpenAPI document; no model is loaded."""
    from app.api.http.factory import create_app  # noqa: PLC0415
    from app.api.services import build_services  # noqa: PLC0415
    from app.offline.predict import build_predictor  # noqa: PLC0415

    app = create_app(build_services(build_predictor(settings)))
    print(json.dumps(app.openapi(), indent=2, ensure_ascii=False))
    return 0


def print_key(_settings: Settings) -> int:
    """Make a key and print it, with its hash; neither is kept."""
    key = make_key()
    print(f"key   {key}")
    print(f"hash  {hash_key(key)}")
    return 0


def _read_positive(text: str) -> int:
    """Read a number of at least 1; argparse tells what ValueError refuses."""
    if int(text) < 1:
        raise ValueError(text)
    return int(text)


def _read_share(text: str) -> float:
    """Read a number from 0 to 1; argparse tells what ValueError refuses."""
    if not 0 <= float(text) <= 1:
        raise ValueError(text)
    return float(text)


def _add_command(
    commands: "argparse._SubParsersAction[argparse.ArgumentParser]",
    name: str,
    run: object,
    summary: str,
) -> argparse.ArgumentParser:
    """Add one command."""
    command = commands.add_parser(name, help=summary, description=f"{summary.capitalize()}.")
    command.set_defaults(run=run)
    return command


if __name__ == "__main__":
    sys.exit(main())
