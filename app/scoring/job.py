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
from app.scoring.folder import OWN, OutputFolder, refuse
from app.scoring.manifest import write_manifest
from app.scoring.options import ScoreOptions
from app.scoring.part_names import JOB, REPORT, ROWS, SUMMARIES, SUMMARY, name_summary
from app.scoring.summary import Summary, decode_summary
from app.settings import Settings

Identity = dict[str, Any]
"""What rows depend on; that of a folder does not change."""

Tell = Callable[[str], None]
"""Shows a line to the user."""

_SETTINGS = ("engine", "precision", "decode", "calibration", "max_bytes", "max_pixels")
_OPTIONS = ("column", "format", "top_k", "scores", "logits", "part_rows")


@dataclass(slots=True)
class Job:
    """A job that may be run.

    Attributes:
        folder: to write to.
        images: how many there are.
        pending: numbers of the parts that are not done.
        summary: of the parts that are.
    """

    folder: OutputFolder
    images: int
    pending: list[int]
    summary: Summary


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
            images = _begin(folder, identity, samples, tell)
        folder.remove_unfinished()
        job = _find_pending(folder, images, options.part_rows)
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
    if options.overwrite:
        return 0
    for name, value in identity.items():
        if known.get(name) != value:
            message = (
                f"--out {folder.name} was begun with another {name}: {_show(known.get(name))}, "
                f"now {_show(value)}. Give the same to go on, another --out, or --overwrite."
            )
            raise DatasetError(message)
    if folder.has(SUMMARY):
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


def _begin(folder: OutputFolder, identity: Identity, samples: Iterable[Sample], tell: Tell) -> int:
    """List the samples, between two notes: that the job is begun, and that it is listed.

    What an earlier run has left goes once there is an image.
    """

    def write(images: int) -> None:
        folder.write(JOB, json.dumps(identity | {"images": images}).encode())

    first = next(samples := iter(samples), None)  # raises before anything is written
    if first is None:
        raise DatasetError(f"{_show(identity['input'])}: no image is there. Give another INPUT.")
    folder.clear((SUMMARY, REPORT), (ROWS, OWN))
    write(0)
    rows = identity["part_rows"]
    images = write_manifest(folder, chain([first], samples), rows)
    write(images)
    tell(f"{images:,} images found")
    return images


def _find_pending(folder: OutputFolder, images: int, part_rows: int) -> Job:
    """Find the parts that are not done, and sum up those that are."""
    parts, summary = range(-(-images // part_rows)), Summary()
    pending = set(parts)
    for name in folder.list_files(SUMMARIES):
        part = int(name.partition(".")[0])
        done = read_summary(folder, part)
        if done is not None and part in pending:
            summary.merge(done)
            summary.drop_rare()
            pending.remove(part)
    return Job(folder, images, sorted(pending), summary)
