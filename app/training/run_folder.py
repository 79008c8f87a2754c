"""The folder of a run: what it was told, where it stands, and its metrics.

RUN/run.json                           options, labels, a digest of the dataset, the state
RUN/start/                             the checkpoint that training starts from; gone at the end
RUN/metrics.jsonl                      one line an epoch
RUN/checkpoint_<date>/                 the last and the best checkpoint, by Ray Train
RUN/checkpoint_manager_snapshot.json   which is which, by Ray Train
RUN/report.html
"""

import hashlib
import json
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

from app.datasets.labelled import LabelledDataset
from app.datasets.sample import Sample
from app.errors import SettingsError
from app.training.options import TuneOptions

STATE, METRICS, START, REPORT = "run.json", "metrics.jsonl", "start", "report.html"
TRAINING_STATE = "training_state.pt"
"""Of a checkpoint of a run that is not finished: what training needs to go on from it."""


class RunFolder:
    """The folder of one run.

    Args:
        options: of the run.
        dataset: that it is tuned on.

    Raises:
        SettingsError: the folder cannot be written, is something else, or a run of other options.
    """

    def __init__(self, options: TuneOptions, dataset: LabelledDataset) -> None:
        self.path = options.out.expanduser().absolute()
        self._told = {
            "options": json.loads(json.dumps(options.describe())),
            "labels": list(dataset.labels),
            "dataset": digest_samples((*dataset.train, *dataset.held_out)),
        }
        self._check()

    @property
    def start(self) -> Path:
        """The checkpoint that training starts from."""
        return self.path / START

    @property
    def metrics(self) -> Path:
        """One line an epoch."""
        return self.path / METRICS

    def create(self) -> None:
        """Write down what the run is told; from here on the same command goes on with it."""
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            write_json(self.path / STATE, self._told | {"state": "started"})
        except OSError as exc:
            message = f"{self.path} cannot be written: {exc.strerror}. Give another --out."
            raise SettingsError(message) from exc

    def finish(self) -> None:
        """Remove what only an unfinished run needs, and write down that this one is finished."""
        for path in self.path.glob(f"checkpoint_*/{TRAINING_STATE}"):
            path.unlink()
        shutil.rmtree(self.start, ignore_errors=True)
        write_json(self.path / STATE, self._told | {"state": "finished"})

    def _check(self) -> None:
        """Refuse a folder that is something else."""
        if not self.path.exists():
            return
        is_run = (self.path / STATE).is_file()
        if not self.path.is_dir() or (any(self.path.iterdir()) and not is_run):
            message = f"{self.path} exists and is no run of vitrine tune. Give another --out."
            raise SettingsError(message)
        if is_run:
            self._check_same(_read_state(self.path / STATE))

    def _check_same(self, found: dict[str, object]) -> None:
        """Refuse a run that is finished, or that was told something else."""
        if found.get("state") == "finished":
            message = f"{self.path} is finished. Give another --out, or remove it to start anew."
            raise SettingsError(message)
        changed = [name for name, value in self._told.items() if found.get(name) != value]
        if changed:
            what = _name_change(changed[0], self._told, found)
            message = (
                f"{self.path} is a run that has not ended, with {what}. Give the same again to go "
                "on with it, or another --out."
            )
            raise SettingsError(message)


def digest_samples(samples: Sequence[Sample]) -> str:
    """Digest which samples there are, with their labels, in 64 digits."""
    digest = hashlib.sha256()
    for sample in samples:
        line = json.dumps([sample.path, sample.row, sample.label])
        digest.update(line.encode("utf-8", "surrogatepass"))
    return digest.hexdigest()


def write_json(path: Path, value: object) -> None:
    """Write a JSON file at once, or not at all; raises OSError."""
    _write_text(path, json.dumps(value, indent=2) + "\n")


def write_metrics(folder: Path, epochs: Sequence[Mapping[str, float]]) -> None:
    """Write the metrics of all epochs of a run at once, or not at all; raises OSError."""
    _write_text(folder / METRICS, "".join(json.dumps(one) + "\n" for one in epochs))


def _write_text(path: Path, text: str) -> None:
    """Write a file beside its place, and move it there."""
    fresh = path.with_name(f".{path.name}")
    fresh.write_text(text, "utf-8")
    fresh.replace(path)


def _read_state(path: Path) -> dict[str, object]:
    """Read the state of a run."""
    try:
        state: object = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError, RecursionError) as exc:
        message = f"{path} is damaged ({exc}). Remove its folder, or give another --out."
        raise SettingsError(message) from exc
    return state if isinstance(state, dict) else {}


def _name_change(part: str, told: dict[str, object], found: dict[str, object]) -> str:
    """Name the first difference between what a run is told and what it was told."""
    if part != "options":
        return "other images or labels"
    old, new = found.get(part), told[part]
    if not isinstance(old, dict) or not isinstance(new, dict):
        return "other options"
    name = next(one for one in (*new, *old) if old.get(one) != new.get(one))
    option = _OPTION_NAMES.get(name, name).replace("_", "-")
    return f"--{option} {old.get(name)}, not {new.get(name)}"


_OPTION_NAMES = {"rate": "lr", "smoothing": "label_smoothing"}
