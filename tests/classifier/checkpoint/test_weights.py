"""Weights: tensors alone, complete, and fitting; no code of a checkpoint ever runs."""

import datetime as dt
import json
import logging
import os
import pickle
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path

import pytest
import torch
from transformers.utils.logging import get_verbosity, is_progress_bar_enabled

from app.classifier.checkpoint.files import open_checkpoint
from app.classifier.checkpoint.weights import load_weights
from app.errors import CheckpointError
from tests.support.checkpoints import LABELS, edit_json, load_model, pickle_weights

CONFIG = "config.json"
PROCESSOR = "preprocessor_config.json"
MODULE = "import pathlib\npathlib.Path({marker!r}).touch()\n"


class Touch:
    """Unpickles by making a folder: the proof that code ran."""

    def __init__(self, marker: Path) -> None:
        self._marker = str(marker)

    def __reduce__(self) -> tuple[Callable[[str], None], tuple[str]]:
        """Tell pickle to make the folder."""
        return os.mkdir, (self._marker,)


@pytest.fixture
def pickled(folder: Path) -> Path:
    """The pytorch_model.bin of a checkpoint that has nothing else."""
    return pickle_weights(folder)


def fail(folder: Path) -> str:
    """Fail to load a checkpoint; gives the message, which must be one line."""
    with pytest.raises(CheckpointError) as caught:
        load_model(folder)
    message = str(caught.value)
    assert "\n" not in message
    assert str(folder) in message
    return message


def test_a_pickle_loads_with_one_line_of_advice(
    pickled: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """pytorch_model.bin is read, and one log line advises converting it."""
    with caplog.at_level(logging.INFO):
        assert load_model(pickled.parent).description.labels == LABELS
    (line,) = [record.getMessage() for record in caplog.records if "vitrine" in record.name]
    assert "save it as safetensors" in line


def test_a_pickle_of_before_2020_loads(pickled: Path) -> None:
    """The older file format, which is no zip, is read as tensors, too."""
    weights = torch.load(pickled, weights_only=True)
    torch.save(weights, pickled, _use_new_zipfile_serialization=False)
    assert load_model(pickled.parent).description.labels == LABELS


@pytest.mark.parametrize("zipped", [True, False])
def test_a_pickle_with_code_is_refused_and_does_not_run(
    pickled: Path, tmp_path: Path, *, zipped: bool
) -> None:
    """Code hidden among the tensors does not run, in either file format."""
    marker = tmp_path / "marker"
    weights = torch.load(pickled, weights_only=True)
    weights["classifier.bias"] = Touch(marker)
    torch.save(weights, pickled, _use_new_zipfile_serialization=zipped)
    message = fail(pickled.parent)
    assert "more than tensors" in message
    assert "save_pretrained()" in message
    assert not marker.exists()
    torch.load(pickled, weights_only=False)  # the trap is real: this springs it
    assert marker.exists()


def test_a_bare_pickle_with_code_is_refused_and_does_not_run(pickled: Path, tmp_path: Path) -> None:
    """A file that pickle.dump() wrote does not run, either."""
    marker = tmp_path / "marker"
    pickled.write_bytes(pickle.dumps(Touch(marker), protocol=2))
    assert "more than tensors" in fail(pickled.parent)
    assert not marker.exists()


@pytest.mark.parametrize(
    "value", [dt.datetime(2023, 6, 1, tzinfo=dt.UTC), torch.nn.Linear(2, 2), Path()]
)
def test_an_object_among_the_tensors_is_refused(pickled: Path, value: object) -> None:
    """Anything that is no tensor is refused, harmless or not."""
    torch.save({"when": value}, pickled)
    assert "more than tensors" in fail(pickled.parent)


@pytest.mark.parametrize("extra", [{"epoch": 3}, {"note": "tuned"}, {"args": {"lr": 0.1}}])
def test_a_plain_value_among_the_tensors_is_refused(
    pickled: Path, extra: dict[str, object]
) -> None:
    """A number, a string or a dictionary among the weights is refused as well."""
    weights = torch.load(pickled, weights_only=True)
    torch.save({**weights, **extra}, pickled)
    assert "more than tensors" in fail(pickled.parent)


@pytest.mark.parametrize(
    "content", [b"", b"hello world", b"<!doctype html>", b"version https://git-lfs.github.com/"]
)
def test_a_file_that_only_is_called_a_pickle_is_refused(pickled: Path, content: bytes) -> None:
    """Empty files, text, error pages and Git LFS pointers end in one line."""
    pickled.write_bytes(content)
    assert "save_pretrained()" in fail(pickled.parent)


def test_a_truncated_pickle_is_refused(pickled: Path) -> None:
    """A download that broke off ends in one line."""
    pickled.write_bytes(pickled.read_bytes()[:-3000])
    assert "cannot be loaded" in fail(pickled.parent)


def test_a_pickle_without_names_is_refused(pickled: Path) -> None:
    """A list of tensors is no checkpoint."""
    torch.save([torch.zeros(2), torch.zeros(3)], pickled)
    assert "cannot be loaded" in fail(pickled.parent)


def test_a_label_count_that_a_pickle_does_not_fit_is_told_at_loading(pickled: Path) -> None:
    """Of a pickle only loading tells that id2label has another number of labels."""
    edit_json(pickled.with_name(CONFIG), id2label={str(key): f"{key}" for key in range(6)})
    message = fail(pickled.parent)
    assert "which has 6 labels" in message
    assert "Fix id2label" in message


@pytest.mark.parametrize("removed", ["classifier.weight", "vit.embeddings.cls_token"])
def test_weights_that_lack_a_part_are_not_filled_at_random(
    folder: Path, removed: str, caplog: pytest.LogCaptureFixture
) -> None:
    """A checkpoint without its head, or any other tensor, is no fine-tuned classifier.

    The error says so in one line, and transformers' own report is not logged.
    """
    pickle_weights(folder, removed)
    logging.getLogger("transformers").addHandler(caplog.handler)
    try:
        message = fail(folder)
    finally:
        logging.getLogger("transformers").removeHandler(caplog.handler)
    assert removed in message
    assert "not a fine-tuned classifier" in message
    assert not [one for one in caplog.records if one.name.startswith("transformers")]


@pytest.mark.parametrize("changes", [{"hidden_size": 32}, {"patch_size": 4}])
def test_weights_of_another_shape_are_told(folder: Path, changes: dict[str, object]) -> None:
    """Weights that do not fit the configuration are refused, and not filled at random."""
    edit_json(folder / CONFIG, **changes)
    assert "do not fit config.json" in fail(folder)


@pytest.mark.parametrize(
    "changes",
    [
        {"hidden_size": "x"},
        {"num_attention_heads": 0},
        {"hidden_act": "no such thing"},
        {"model_type": "no such thing"},
        {"model_type": "bert"},
        {"model_type": 3},
    ],
)
def test_a_configuration_that_makes_no_sense_is_told(
    folder: Path, changes: dict[str, object]
) -> None:
    """Whatever transformers makes of a wrong configuration ends in one line of bearable length."""
    edit_json(folder / CONFIG, **changes)
    message = fail(folder)
    assert "cannot be loaded" in message
    assert len(message) < 600 + len(str(folder))


def test_a_checkpoint_whose_code_is_not_needed_loads_without_it(
    folder: Path, tmp_path: Path
) -> None:
    """An auto_map beside a known architecture is passed over: its code does not run."""
    marker = plant_code(folder, tmp_path)
    assert load_model(folder).description.labels == LABELS
    assert not marker.exists()


def test_a_checkpoint_that_needs_its_code_is_refused(folder: Path, tmp_path: Path) -> None:
    """An architecture that only the checkpoint's own code knows is refused, and never runs."""
    marker = plant_code(folder, tmp_path, model_type="planted")
    assert "code that comes with a checkpoint is never run" in fail(folder)
    assert not marker.exists()


def test_a_processor_that_needs_its_code_does_not_run_it(folder: Path, tmp_path: Path) -> None:
    """A processor that is in the checkpoint's own code does not run."""
    marker = plant_code(folder, tmp_path)
    edit_json(folder / PROCESSOR, image_processor_type="Planted", size={"height": 32, "width": 32})
    assert "the image processor of" in fail(folder)
    assert not marker.exists()


def plant_code(folder: Path, tmp_path: Path, **changes: object) -> Path:
    """Plant code that makes a file when it is imported; gives the file's path."""
    marker = tmp_path / "marker"
    (folder / "planted.py").write_text(MODULE.format(marker=str(marker)))
    names = ("AutoConfig", "AutoModelForImageClassification", "AutoImageProcessor")
    planted = dict.fromkeys(names, "planted.Planted")
    edit_json(folder / CONFIG, auto_map=planted, **changes)
    edit_json(folder / PROCESSOR, auto_map=planted)
    return marker


@pytest.mark.parametrize("name", ["vit", "deit", "deit_with_teacher", "convnext", "beit"])
def test_loading_prints_nothing(
    name: str, request: pytest.FixtureRequest, capfd: pytest.CaptureFixture[str]
) -> None:
    """No progress bar and no report of transformers reaches stdout or stderr."""
    folder: Path = request.getfixturevalue(name)
    capfd.readouterr()
    load_model(folder)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("removed", [(), ("classifier.weight",)])
def test_what_transformers_prints_elsewhere_is_left_as_it_was(
    folder: Path, removed: tuple[str, ...]
) -> None:
    """The silence ends with the loading, whether that went well or not."""
    pickle_weights(folder, *removed)
    before = (get_verbosity(), is_progress_bar_enabled())
    with pytest.raises(CheckpointError) if removed else nullcontext():
        load_model(folder)
    assert (get_verbosity(), is_progress_bar_enabled()) == before


def test_weights_are_float32_whatever_was_saved(folder: Path) -> None:
    """Half-precision weights are widened, so that scores are float32 on every device."""
    pickled = pickle_weights(folder)
    weights = torch.load(pickled, weights_only=True)
    torch.save({name: value.half() for name, value in weights.items()}, pickled)
    config = json.loads((folder / CONFIG).read_text())
    (folder / CONFIG).write_text(json.dumps(config | {"dtype": "float16"}))
    assert load_weights(open_checkpoint(str(folder))).dtype == torch.float32
