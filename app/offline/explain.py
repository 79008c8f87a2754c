"""Offline explanation: where the model looked in files, without a server.

Each file gets a PNG with the map over the image, for each label, and one JSON with the numbers.
Nothing that is there already is written over: a name that is taken gets a number.
"""

import asyncio
import math
from collections.abc import Sequence
from itertools import count
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from app.classifier.opening import open_configured
from app.classifier.startup import read_engine_options
from app.errors import InvalidRequestError, ProblemError, SettingsError
from app.limits import derive_limits
from app.offline.local_backend import LocalBackend
from app.offline.local_explainer import LocalExplainer
from app.prediction.explanation_result import Drawn
from app.prediction.explanations import Explanations
from app.prediction.predictor import Predictor
from app.settings import Settings
from schemas import ExplainMethod, ExplainOptions, ExplainResponse

Written = tuple[ExplainResponse, list[Path]]
"""An answer, and the pictures of its labels."""

Outcome = tuple[Path, Written | ProblemError]


async def explain_files(
    settings: Settings,
    files: Sequence[Path],
    out: Path,
    labels: Sequence[str],
    method: ExplainMethod,
) -> list[Outcome]:
    """Explain each file and write what was found to `out`; a failure does not stop the others.

    Args:
        settings: all of them.
        files: images.
        out: folder to write to, made where it is missing.
        labels: to explain, by name or id; none: the best one of each image.
        method: how to find relevance.

    Raises:
        StartupError: the model cannot be loaded, or nothing can be written.
        InvalidRequestError: the model has no such label.
    """
    checkpoint = open_configured(settings)
    engine_options = read_engine_options(settings)
    backend = LocalBackend(checkpoint, engine_options)
    known = (await backend.describe()).labels
    label_ids = dict.fromkeys(_find_label(known, one) for one in labels)
    await asyncio.to_thread(_make_folder, out)
    predictor = Predictor(backend, derive_limits(settings))
    explanations = Explanations(predictor, LocalExplainer(checkpoint, engine_options))
    alone = [[label_id] for label_id in label_ids] or [[]]
    options = [ExplainOptions(label_id=one, method=method, format="png") for one in alone]
    return [(file, await _explain_file(explanations, file, out, options)) for file in files]


def _find_label(known: Sequence[str], asked: str) -> int:
    """Find the id of a label by its name, else by the id itself; raises InvalidRequestError."""
    if asked in known:
        return known.index(asked)
    try:
        return range(len(known)).index(int(asked) if asked.isdecimal() else -1)
    except ValueError as exc:
        first = ", ".join([*known[:5], "…"][: len(known)])
        message = (
            f"--label: {asked[:100]!r} is no label of this model, neither by name nor by id. "
            f"It has {len(known)} ({first}), with ids 0 to {len(known) - 1}."
        )
        raise InvalidRequestError(message) from exc


def _make_folder(out: Path) -> None:
    """Make the folder to write to, if it is missing; raises SettingsError."""
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as exc:
        message = f"The folder {out} cannot be made: {exc.strerror}. Give another --out."
        raise SettingsError(message) from exc


async def _explain_file(
    explanations: Explanations, file: Path, out: Path, options: Sequence[ExplainOptions]
) -> Written | ProblemError:
    """Explain one file, label by label; returns the error instead of raising it."""
    try:
        data = await asyncio.to_thread(file.read_bytes)
        drawn = [await explanations.explain(data, one, math.inf) for one in options]
        return await asyncio.to_thread(_write, out, file.stem, drawn)
    except OSError as exc:
        return InvalidRequestError(f"{exc.filename or file}: {exc.strerror}.")
    except ProblemError as exc:
        return exc


def _write(out: Path, stem: str, drawn: Sequence[Drawn]) -> Written:
    """Write the answers of one image; raises OSError."""
    responses = [one.response for one in drawn if one.response is not None]
    explained = [one for response in responses for one in response.explanations]
    response = responses[0].model_copy(update={"explanations": explained})
    several = len(drawn) > 1
    endings = [f"-{one.label_id}.png" if several else ".png" for one in explained]
    base = _find_name(out, stem, [*endings, ".json"])
    pictures = [base.with_name(base.name + ending) for ending in endings]
    for picture, one in zip(pictures, drawn, strict=True):
        picture.write_bytes(one.png or b"")
    base.with_name(f"{base.name}.json").write_text(response.model_dump_json(indent=1) + "\n")
    return response, pictures


def _find_name(out: Path, stem: str, endings: Sequence[str]) -> Path:
    """Find a path without its ending of which no file is there: STEM, STEM-2, STEM-3, ..."""
    names = (stem if number == 1 else f"{stem}-{number}" for number in count(1))
    return next(
        out / name
        for name in names
        if not any((out / f"{name}{ending}").exists() for ending in endings)
    )


def print_table(outcomes: Sequence[Outcome]) -> None:
    """Print a table with a line for each label."""
    table = Table("file", "label", "score", "method", "written", box=None)
    for file, outcome in outcomes:
        name = escape(str(file))
        if isinstance(outcome, ProblemError):
            table.add_row(name, f"[red]{outcome.title}[/]: {escape(str(outcome))}", "", "", "")
            continue
        response, pictures = outcome
        for one, picture in zip(response.explanations, pictures, strict=True):
            cells = (escape(one.label), f"{one.score:.4f}", response.method, escape(str(picture)))
            table.add_row(name, *cells)
            name = ""
    Console().print(table)
