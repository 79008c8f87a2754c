"""The labels of a checkpoint, and whether its head has as many outputs. It reads no tensors."""

import html
import json
import re
from pathlib import Path

from safetensors import SafetensorError, safe_open

from app.backend import Activation
from app.errors import CheckpointError

_QUANTIZED_LABELS = re.compile(r'<vitrine>\s*<labels value="([^"]*)"')
_HEAD = re.compile(r"(cls_|distillation_)?classifier(\.\d+)?\.weight")


def read_labels(config: dict[str, object], path: Path) -> tuple[str, ...]:
    """Read id2label of the configuration at `path`; raises CheckpointError."""
    id2label = config.get("id2label")
    if not isinstance(id2label, dict) or not id2label:
        message = (
            f"{path} has no id2label. Add it, as in "
            '"id2label": {"0": "cat", "1": "dog"}, and save the checkpoint again.'
        )
        raise CheckpointError(message)
    names = {str(key): str(value) for key, value in id2label.items()}
    missing = [str(index) for index in range(len(names)) if str(index) not in names]
    if missing:
        message = (
            f"{path}: id2label has {len(names)} labels but no id {missing[0]}. "
            f"Number them 0 to {len(names) - 1}."
        )
        raise CheckpointError(message)
    return tuple(names[str(index)] for index in range(len(names)))


def find_activation(config: dict[str, object], labels: tuple[str, ...]) -> Activation:
    """Find what turns logits into scores, as transformers' pipeline does."""
    problem = config.get("problem_type")
    if problem == "regression":
        return "none"
    if problem == "multi_label_classification" or len(labels) == 1:
        return "sigmoid"
    return "softmax"


def check_head(weights: list[Path], labels: tuple[str, ...]) -> None:
    """Refuse a classification head whose outputs are not as many as the labels."""
    for path in weights:
        if path.suffix == ".xml":
            _check_quantized(path, labels)
        for name, shape in _read_shapes(path).items():
            if _HEAD.fullmatch(name) and shape[:1] != [len(labels)]:
                count = shape[0] if shape else 0
                message = (
                    f"{path}: the weights give {count} labels ({name}) but id2label in "
                    f"config.json has {len(labels)}. Fix id2label to name all {count}."
                )
                raise CheckpointError(message)


def _check_quantized(path: Path, labels: tuple[str, ...]) -> None:
    """Refuse a quantized model whose file names other labels than config.json."""
    found = _QUANTIZED_LABELS.search(path.read_text("utf-8", "replace"))
    if found is None or html.unescape(found[1]) != json.dumps(labels):
        message = (
            f"{path} was made for other labels than those of config.json beside it. "
            "Run `vitrine quantize` again."
        )
        raise CheckpointError(message)


def _read_shapes(path: Path) -> dict[str, list[int]]:
    """Read the tensors' shapes from a safetensors header; {} for other files."""
    if path.suffix != ".safetensors":
        return {}
    try:
        with safe_open(path, framework="numpy") as file:
            return {name: list(file.get_slice(name).get_shape()) for name in file.keys()}  # noqa: SIM118
    except (OSError, SafetensorError) as exc:
        message = f"{path} is not a whole safetensors file: {exc}. Save or download it again."
        raise CheckpointError(message) from exc
