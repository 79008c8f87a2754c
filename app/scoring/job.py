"""A job: what is to be scored into a folder, and what of it is done.

The list of samples is made once, by the first run. The next one goes on with it, if it is asked for
the same with the same model; else it is refused, because a folder holds the rows of one model.
"""

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

from app.classifier.checkpoint.files import Checkpoint
from app.datasets.inputs import find_samples
from app.datasets.names import is_uri, show_location
from app.datasets.sample import Sample
from app.errors import DatasetError
from app.scoring.folder import OutputFolder, refuse
from app.scoring.manifest import write_manifest
from app.scoring.options import ScoreOptions
from app.scoring.part_names import JOB, MANIFESTS, REPORT, ROWS, SUMMARIES, SUMMARY, name_summary
from app.scoring.summary import SHEETS, Summary, decode_summary
from app.settings import Settings

Identity = dict[str, Any]
"""What rows depend on; that of a folder does not change."""

Tell = Callable[[str], None]
"""Shows a line to the user."""

OVERWRITES = "overwrites"
"""In the file of a job, whether it was begun by --overwrite: the same command goes on with it."""

_SETTINGS = ("device", "engine", "precision", "decode", "calibration", "max_bytes", "max_pixels")
_OPTIONS = ("column", "format", "top_k", "scores", "logits", "part_rows")


@dataclass(slots=True)
class Job:
    """A job that may be run.

    Attributes:
        folder: to write to.
        images: how many there are.
        pending: numbers of the parts that are not done.
        summary: of the parts that are.
        revision: of the model.
    """

    folder: OutputFolder
    images: int
    pending: list[int]
    summary: Summary
    revision: str


def open_job(settings: Settings, checkpoint: Checkpoint, options: ScoreOptions, tell: Tell) -> Job:
    """Begin a job, or find where an earlier run has stopped.

    Raises:
        DatasetError: the inputs are wrong, or the folder holds something else.
    """
    folder = OutputFolder(options.out)
    identity = identify(settings, checkpoint, options)
    with refuse(f"--out {folder.name} cannot be used"):
        images = _find_begun(folder, identity, options)
        if not images:
            samples = find_samples(options.inputs, options.column)
            told = identity | {OVERWRITES: options.overwrite}
            images = _begin(folder, told, samples, tell)
        folder.remove_unfinished()
        job = _find_pending(folder, images, identity)
    if job.summary.images:
        tell(f"going on: {job.summary.images:,} of {images:,} images are scored already")
    return job


def identify(settings: Settings, checkpoint: Checkpoint, options: ScoreOptions) -> Identity:
    """List what the rows depend on."""
    inputs = [
        show_location(one if is_uri(one) else str(Path(one).absolute())) for one in options.inputs
    ]
    return (
        {"input": inputs, "model": checkpoint.id, "revision": checkpoint.revision}
        | {"digest": checkpoint.digest}
        | {name: getattr(options, name) for name in _OPTIONS}
        | {name: getattr(settings, name) for name in _SETTINGS}
    )


def read_summary(folder: OutputFolder, part: int) -> Summary | None:
    """Read the summary of a part; None where it is damaged, as after a power failure."""
    try:
        return decode_summary(folder.read(name_summary(part)))
    except ValueError:
        return None


def add_pictures(job: Job) -> None:
    """Add the least certain images of the labels that the report shows.

    They are read once all parts are done, as it is known only then which labels those are.
    """
    shown = [label for label, _ in job.summary.labels.most_common(SHEETS)]
    for name in job.folder.list_files(SUMMARIES):
        done = read_summary(job.folder, int(name.partition(".")[0]))
        if done is not None:
            job.summary.merge_pictures(done, shown)


def _find_begun(folder: OutputFolder, identity: Identity, options: ScoreOptions) -> int:
    """Count the images that an earlier run has listed; 0 where none has listed all.

    Raises:
        DatasetError: the folder holds something else, or is complete.
    """
    if not folder.has(JOB):
        if folder.is_empty():
            return 0
        message = f"--out {folder.name} is not empty, and no result of vitrine score"
        raise DatasetError(f"{message}. Give a new folder.")
    known = _decode(folder)
    is_complete = bool(known.get("images")) and folder.has(SUMMARY)
    other = next((name for name, value in identity.items() if known.get(name) != value), None)
    if options.overwrite and (is_complete or other or not known.get(OVERWRITES)):
        return 0
    if other:
        message = (
            f"--out {folder.name} was begun with another {other}: {_show(known.get(other))}, "
            f"now {_show(identity[other])}. Give the same to go on, another --out, or --overwrite."
        )
        raise DatasetError(message)
    if is_complete:
        message = f"--out {folder.name} is complete, with {known['images']:,} images"
        raise DatasetError(f"{message}. Give --overwrite to score anew, or another --out.")
    return int(known["images"])


def _decode(folder: OutputFolder) -> Identity:
    """Decode the file of the job; an empty one where it is damaged."""
    try:
        found = json.loads(folder.read(JOB))
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _show(value: object) -> str:
    """Show a value in a message, shortened."""
    text = ", ".join(map(str, value)) if isinstance(value, list) else str(value)
    return text if len(text) < 100 else f"{text[:99]}…"  # noqa: PLR2004 - of a line


def _begin(folder: OutputFolder, told: Identity, samples: Iterable[Sample], tell: Tell) -> int:
    """List the samples, between two notes: that the job is begun, and that it is listed.

    What an earlier run has left goes once there is an image, and after the first note: a run that
    is killed meanwhile is not taken for one that has scored what still lies there.
    """

    def write(images: int) -> None:
        folder.write(JOB, json.dumps(told | {"images": images}).encode())

    first = next(samples := iter(samples), None)  # raises before anything is written
    if first is None:
        raise DatasetError(f"{_show(told['input'])}: no image is there. Give another INPUT.")
    write(0)
    folder.clear((SUMMARY, REPORT), (ROWS, SUMMARIES, MANIFESTS))
    images = write_manifest(folder, chain([first], samples), told["part_rows"])
    write(images)
    tell(f"{images:,} images found")
    return images


def _find_pending(folder: OutputFolder, images: int, identity: Identity) -> Job:
    """Find the parts that are not done, and sum up those that are."""
    parts, summary = range(-(-images // identity["part_rows"])), Summary()
    pending = set(parts)
    for name in folder.list_files(SUMMARIES):
        part = int(name.partition(".")[0])
        done = read_summary(folder, part)
        if done is not None and part in pending:
            summary.merge(done)
            pending.remove(part)
    return Job(folder, images, sorted(pending), summary, identity["revision"])
