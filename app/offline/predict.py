"""Offline prediction: classify files in this process, without a server."""

import asyncio
import json
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from app.backend import Description
from app.classifier.opening import open_configured
from app.classifier.startup import read_engine_options
from app.errors import InvalidRequestError, ProblemError
from app.limits import derive_limits
from app.offline.local_backend import LocalBackend
from app.prediction.predictor import Predictor
from app.settings import Settings
from schemas import PredictOptions, PredictResponse

Outcome = tuple[Path, PredictResponse | ProblemError]


def build_predictor(settings: Settings) -> Predictor:
    """Build a predictor over a model in this process, loaded on first use; raises StartupError."""
    return Predictor(_open_backend(settings), derive_limits(settings))


def _open_backend(settings: Settings) -> LocalBackend:
    """Open the checkpoint; the model is loaded on first use; raises StartupError."""
    checkpoint = open_configured(settings)
    return LocalBackend(checkpoint, read_engine_options(settings))


async def describe_model(settings: Settings) -> Description:
    """Load the model, without a time limit, and describe it; raises StartupError."""
    return await _open_backend(settings).describe()


async def classify_files(settings: Settings, files: list[Path], top_k: int) -> list[Outcome]:
    """Classify each file; a failure does not stop the others; raises StartupError."""
    backend = _open_backend(settings)
    labels = (await backend.describe()).labels  # loads the model before the first deadline starts
    predictor = Predictor(backend, derive_limits(settings))
    options = PredictOptions(top_k=min(top_k, len(labels)))
    return [(file, await _classify_file(predictor, file, options)) for file in files]


async def _classify_file(
    predictor: Predictor, file: Path, options: PredictOptions
) -> PredictResponse | ProblemError:
    """Classify one file; returns the error instead of raising it."""
    try:
        data = await asyncio.to_thread(file.read_bytes)
        return (await predictor.classify(data, options)).response
    except OSError as exc:
        return InvalidRequestError(f"{file} cannot be read: {exc.strerror}.")
    except ProblemError as exc:
        return exc


def print_json(outcomes: list[Outcome]) -> None:
    """Print one JSON object a line."""
    for file, outcome in outcomes:
        if isinstance(outcome, ProblemError):
            value: dict[str, object] = {"error": {"type": outcome.type, "detail": str(outcome)}}
        else:
            value = outcome.model_dump()
        print(json.dumps({"file": str(file), **value}))


def print_table(outcomes: list[Outcome]) -> None:
    """Print a table with a line per prediction."""
    table = Table("file", "label", "score", box=None)
    for file, outcome in outcomes:
        if isinstance(outcome, ProblemError):
            table.add_row(escape(str(file)), f"[red]{outcome.title}[/]: {escape(str(outcome))}", "")
            continue
        for rank, prediction in enumerate(outcome.predictions):
            name = escape(str(file)) if rank == 0 else ""
            table.add_row(name, escape(prediction.label), f"{prediction.score:.4f}")
    Console().print(table)
