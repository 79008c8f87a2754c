"""Finding a checkpoint (bundled, folder, Ray Train run or Hub id) and reading its small files.

It imports no torch: a wrong checkpoint is refused within a second, before anything heavy starts.
"""

import re
from dataclasses import dataclass
from pathlib import Path

from app.backend import Activation
from app.classifier.checkpoint.best_checkpoint import check_is_run, find_checkpoint
from app.classifier.checkpoint.calibration import Calibration, read_calibration
from app.classifier.checkpoint.choice import NEWEST, Choice, parse_choice
from app.classifier.checkpoint.digest import hash_files, name_content, name_revision
from app.classifier.checkpoint.json_file import read_json
from app.classifier.checkpoint.labels import check_head, find_activation, read_labels
from app.errors import CheckpointError

BUNDLED = Path(__file__).parents[2] / "demo" / "checkpoint"
CONFIG = "config.json"
PROCESSOR_CONFIG = "preprocessor_config.json"
QUANTIZED = "vitrine_int8.xml"

_HUB_ID = re.compile(r"\w[\w.-]*(/\w[\w.-]*)?")


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A checkpoint whose small files are complete and consistent.

    Attributes:
        id: the name that responses show.
        revision: commit of a Hub checkpoint, or a hash of the folder's files.
        digest: SHA-256 of the content of all files that a model is loaded from.
        folder: holds config.json and the weights.
        processor_folder: holds preprocessor_config.json.
        labels: names, by label id.
        activation: what turns logits into scores.
        temperature: what logits are divided by before softmax.
        quantized: OpenVINO's file if `vitrine quantize` wrote the folder, else None.
        model_type: transformers' name of the architecture; empty where config.json has none.
    """

    id: str
    revision: str
    digest: str
    folder: Path
    processor_folder: Path
    labels: tuple[str, ...]
    activation: Activation
    quantized: Path | None = None
    model_type: str = ""
    temperature: float = 1.0


def open_checkpoint(
    model: str,
    revision: str | None = None,
    processor: str | None = None,
    *,
    choice: str = NEWEST,
    is_calibrated: bool = False,
) -> Checkpoint:
    """Find `model` and its processor.

    Args:
        model: `bundled`, a folder, a Ray Train run folder or a Hub id.
        revision: branch, tag or commit of a Hub id.
        processor: folder or Hub id of the image processor, if the checkpoint has none.
        choice: which checkpoint of a run, as `parse_choice` reads it.
        is_calibrated: whether scores are to be calibrated.

    Raises:
        CheckpointError: a file is missing, inconsistent or deleted meanwhile; or what is asked for
            does not fit.
    """
    try:
        found = find_model(model, revision, parse_choice(choice))
        return _open(found, processor, is_calibrated=is_calibrated)
    except OSError as exc:
        message = (
            f"The files of {model} cannot be read: {exc}. If they were being replaced, try again; "
            "write a checkpoint beside them and rename its folder."
        )
        raise CheckpointError(message) from exc


def _open(
    found: tuple[str, Path, str | None], processor: str | None, *, is_calibrated: bool
) -> Checkpoint:
    """Find the processor of a model that was found, and check the small files of both."""
    name, folder, commit = found
    config = read_json(folder / CONFIG)
    labels = read_labels(config, folder / CONFIG)
    weights = find_weights(folder)
    check_head(weights, labels)
    processor_folder = find_processor(folder, processor)
    files = [folder / CONFIG, processor_folder / PROCESSOR_CONFIG, *weights]
    digests = hash_files(folder, processor_folder, files)
    activation = find_activation(config, labels)
    calibration = read_calibration(folder, activation) if is_calibrated else Calibration()
    content = [*(digests[path] for path in files), calibration.digest]
    return Checkpoint(
        id=name,
        revision=commit or name_revision(content),
        digest=name_content(digests),
        folder=folder,
        processor_folder=processor_folder,
        labels=labels,
        activation=activation,
        temperature=calibration.temperature,
        quantized=weights[0] if weights[0].name == QUANTIZED else None,
        model_type=str(config.get("model_type") or ""),
    )


def is_local(model: str) -> bool:
    """Tell whether a model is bundled or in a folder, and not of the Hub."""
    return model == "bundled" or Path(model).expanduser().is_dir()


def is_unchanged(checkpoint: Checkpoint) -> bool:
    """Tell whether the files are still those that were opened; raises OSError, CheckpointError."""
    folder, processor_folder = checkpoint.folder, checkpoint.processor_folder
    files = [folder / CONFIG, processor_folder / PROCESSOR_CONFIG, *find_weights(folder)]
    digests = hash_files(folder, processor_folder, files)
    return name_content(digests) == checkpoint.digest


def find_weights(folder: Path) -> list[Path]:
    """List the weight files: quantized ones, else safetensors, else `pytorch_model*.bin`."""
    quantized = folder / QUANTIZED
    if quantized.is_file():
        numbers = quantized.with_suffix(".bin")
        if not numbers.is_file():
            raise CheckpointError(f"{folder} has no {numbers.name}. Run `vitrine quantize` again.")
        return [quantized, numbers]
    weights = sorted(folder.glob("model*.safetensors")) or sorted(folder.glob("pytorch_model*.bin"))
    if not weights:
        message = (
            f"{folder} has no weights: it needs model.safetensors. "
            "Save the model there with save_pretrained()."
        )
        raise CheckpointError(message)
    return weights


def find_model(model: str, revision: str | None, choice: Choice) -> tuple[str, Path, str | None]:
    """Find the folder of `model`; returns its name, its folder and its commit, if any."""
    if model == "bundled":
        return "vitrine-digits", find_checkpoint(BUNDLED, choice), None
    path = Path(model).expanduser()
    if path.is_dir():
        folder = find_checkpoint(path, choice)
        return _name_folder(path, folder), folder, None
    _check_hub_id("VITRINE_MODEL", model)
    check_is_run(model, choice, is_run=False)
    from app.classifier.checkpoint.hub import download_snapshot  # noqa: PLC0415 - takes 0.3 s

    folder, commit = download_snapshot(model, revision)
    return model, folder, commit


def _check_hub_id(variable: str, name: str) -> None:
    """Refuse a name that is neither a folder nor a Hub id."""
    path = Path(name).expanduser()
    if path.exists() or path.is_absolute() or not _HUB_ID.fullmatch(name):
        message = f"{variable}={name}: there is no such folder. Give a folder or a Hub id."
        raise CheckpointError(message)


def _name_folder(start: Path, folder: Path) -> str:
    """Name a checkpoint by its path below the parent of the configured folder."""
    root = start.resolve()
    if root.name == "checkpoint" and folder == start:
        return f"{root.parent.name}/{root.name}"
    return (root.name / folder.relative_to(start)).as_posix()


def find_processor(folder: Path, processor: str | None) -> Path:
    """Find the folder of the image processor."""
    if processor is None:
        found = folder
        fix = (
            "Set VITRINE_PROCESSOR to the model that it was tuned from, "
            "such as google/vit-base-patch16-224-in21k."
        )
    else:
        found = Path(processor).expanduser()
        if not found.is_dir():
            _check_hub_id("VITRINE_PROCESSOR", processor)
            from app.classifier.checkpoint.hub import download_snapshot  # noqa: PLC0415

            found, _ = download_snapshot(processor, None, weights=False)
        fix = "Point VITRINE_PROCESSOR at a folder or Hub id that has one."
    if not (found / PROCESSOR_CONFIG).is_file():
        raise CheckpointError(f"{found} has no image processor ({PROCESSOR_CONFIG}). {fix}")
    read_json(found / PROCESSOR_CONFIG)
    return found
