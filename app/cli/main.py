"""The command line: `vitrine COMMAND`; its options, and its exit code.

The commands are serve, deploy, predict, score, tune, evaluate, explain, check, load, top, env,
openapi, quantize, key and profile.
"""

import argparse
import os
import sys
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

from app.cli.commands import COMMANDS
from app.cli.evaluation_commands import add_evaluate
from app.cli.numbers import read_count, read_share
from app.cli.options import add_settings, read_settings
from app.cli.scoring_commands import add_score
from app.cli.service_options import add_load, add_top
from app.cli.training_commands import add_tune
from app.errors import VitrineError
from app.exit_codes import EXIT_INTERRUPTED, EXIT_NOT_STARTED
from app.observability.command_log import log_to_stderr
from app.settings import Settings
from schemas import ExplainMethod

WITH_SETTINGS = {"serve", "predict", "score", "evaluate", "explain", "check", "quantize"}
"""Commands whose options are settings, too."""

LOGGED = WITH_SETTINGS - {"serve", "quantize"}
"""Of these, those that do not set up a log of their own."""


def main(argv: list[str] | None = None) -> int:
    """Run one command.

    Returns:
        0 when it worked, 1 when it failed for an image, 2 when it cannot start.
    """
    argv = sys.argv[1:] if argv is None else argv
    options, arguments = parse_arguments(argv)
    run = arguments.pop("run")
    try:
        settings = read_settings(options)
        with _log(settings) if LOGGED.intersection(argv[:1]) else nullcontext():
            exit_code: int = run(settings, **arguments)
    except VitrineError as exc:
        print(f"vitrine: {exc}", file=sys.stderr)
        return EXIT_NOT_STARTED
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED
    return exit_code


def parse_arguments(argv: list[str]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Parse a command line; gives its settings, and what the command itself takes.

    An option that has the name of a setting is the command's own where it takes no settings.
    """
    arguments = vars(build_parser(argv[:1]).parse_args(argv))
    names = Settings.model_fields if WITH_SETTINGS.intersection(argv[:1]) else ()
    return {name: arguments.pop(name) for name in names if name in arguments}, arguments


def _log(settings: Settings) -> AbstractContextManager[None]:
    """Log to standard error: warnings, unless a level is set."""
    is_set = "log_level" in settings.model_fields_set
    return log_to_stderr(settings.log_format, settings.log_level if is_set else "warning")


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
    help_ = "show no live line of figures below the log of a terminal"
    commands["serve"].add_argument("--no-status", action="store_false", dest="status", help=help_)
    add = commands["predict"].add_argument
    add("files", nargs="+", type=Path, metavar="FILE", help="images to classify")
    add("--json", action="store_true", help="print one JSON object a file")
    add("--top-k", metavar="N", type=read_count, default=3, help="predictions a file (default: 3)")
    _add_explain(commands["explain"])
    _add_profile(commands["profile"])
    add_score(commands["score"])
    add_load(commands["load"])
    add_top(commands["top"])
    _add_quantize(commands["quantize"])
    add_evaluate(commands["evaluate"])
    add_tune(commands["tune"])
    _add_deploy(commands["deploy"])
    help_ = "what reads them (default: dotenv)"
    formats = ("dotenv", "docker", "kuberay")
    commands["env"].add_argument("--format", choices=formats, default="dotenv", help=help_)
    for name in WITH_SETTINGS.intersection(chosen):
        add_settings(commands[name])
    return parser


def _add_explain(command: argparse.ArgumentParser) -> None:
    """Add the options of `vitrine explain`."""
    add = command.add_argument
    add("files", nargs="+", type=Path, metavar="FILE", help="images to explain")
    add("--out", type=Path, metavar="FOLDER", required=True, help="folder to write to")
    help_ = "label to explain, by name or id; may be repeated (default: the best one)"
    add("--label", action="append", default=[], help=help_)
    help_ = "how to find relevance (default: auto)"
    names = [method.value for method in ExplainMethod]
    add("--method", metavar="METHOD", type=ExplainMethod, choices=names, default="auto", help=help_)


def _add_quantize(command: argparse.ArgumentParser) -> None:
    """Add the options of `vitrine quantize`."""
    add = command.add_argument
    add("--images", type=Path, metavar="FOLDER", required=True, help="folder of typical images")
    add("--out", type=Path, metavar="FOLDER", required=True, help="folder to write, a new one")
    help_ = "write nothing below this share of same labels as fp32 (default: 0.99)"
    add("--min-agreement", metavar="SHARE", type=read_share, default=0.99, help=help_)


def _add_deploy(command: argparse.ArgumentParser) -> None:
    """Add the options of `vitrine deploy`."""
    add = command.add_argument
    add("config", type=Path, metavar="CONFIG", help="Serve config file, such as deploy/serve.yaml")
    address = os.environ.get("RAY_DASHBOARD_ADDRESS", "http://127.0.0.1:8265")
    help_ = f"dashboard of the head node (default: RAY_DASHBOARD_ADDRESS, here {address})"
    add("--address", metavar="URL", default=address, help=help_)
    help_ = "for the nodes to answer, and again for the rollout (default: 600)"
    add("--timeout", metavar="SECONDS", type=read_count, default=600, help=help_)
    help_ = "deploy replicas that do not fit yet, because an autoscaler adds nodes"
    add("--allow-pending", action="store_true", help=help_)


def _add_profile(command: argparse.ArgumentParser) -> None:
    """Add the options of `vitrine profile`."""
    add = command.add_argument
    help_ = "to record for (default: 10)"
    add("--seconds", metavar="N", type=read_count, default=10, help=help_)
    help_ = "samples a second (default: 100)"
    add("--rate", metavar="N", type=read_count, default=100, help=help_)
    help_ = "folder to write to (default: vitrine-profile)"
    add("--out", metavar="FOLDER", type=Path, default=Path("vitrine-profile"), help=help_)
    help_ = "process id of the service, where several run"
    add("--pid", metavar="N", type=read_count, help=help_)


if __name__ == "__main__":
    sys.exit(main())
