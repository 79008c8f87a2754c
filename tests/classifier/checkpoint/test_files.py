"""Opening a checkpoint: what its small files show, and the errors for wrong ones."""

import json
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from transformers import ViTForImageClassification

from app.classifier.checkpoint import files
from app.classifier.checkpoint.files import BUNDLED, open_checkpoint
from app.errors import CheckpointError
from tests.support.checkpoints import (
    LABELS,
    copy_checkpoint,
    edit_json,
    load_model,
    pickle_weights,
)

CONFIG = "config.json"
PROCESSOR = "preprocessor_config.json"
WEIGHTS = "model.safetensors"


def fail(model: Path | str, processor: Path | str | None = None) -> str:
    """Fail to open a checkpoint; gives the message, which must be one line."""
    with pytest.raises(CheckpointError) as caught:
        open_checkpoint(str(model), processor=None if processor is None else str(processor))
    message = str(caught.value)
    assert "\n" not in message
    return message


def test_the_bundled_checkpoint_opens() -> None:
    """`bundled` is the checkpoint that comes with the package."""
    checkpoint = open_checkpoint("bundled")
    assert checkpoint.folder == checkpoint.processor_folder == BUNDLED
    assert checkpoint.labels == tuple("0123456789")


def test_a_folder_opens(folder: Path) -> None:
    """A folder that save_pretrained() wrote opens under its name."""
    checkpoint = open_checkpoint(str(folder))
    assert (checkpoint.id, checkpoint.folder) == ("mine", folder)
    assert checkpoint.labels == LABELS


@pytest.mark.parametrize("name", [WEIGHTS, CONFIG])
def test_a_file_that_is_deleted_meanwhile_is_told(
    name: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As by a training run that replaces the files during a reload."""
    monkeypatch.setattr(files, "check_head", lambda *_: (folder / name).unlink())
    message = fail(folder)
    assert f"{folder / name}" in message
    assert "try again" in message


def test_labels_are_in_the_order_of_their_ids(folder: Path) -> None:
    """Label ids count, not the order in which id2label lists them."""
    names = {str(index): LABELS[index] for index in (3, 0, 4, 2, 1)}
    edit_json(folder / CONFIG, id2label=names)
    assert open_checkpoint(str(folder)).labels == LABELS


def test_the_revision_follows_the_files(folder: Path, vit: Path) -> None:
    """Equal files have an equal revision; another config or other weights have another."""
    original = open_checkpoint(str(vit)).revision
    assert open_checkpoint(str(folder)).revision == original
    edit_json(folder / CONFIG, id2label={str(key): f"{key}" for key in range(5)})
    relabelled = open_checkpoint(str(folder)).revision
    weights = bytearray((folder / WEIGHTS).read_bytes())
    weights[-1] ^= 1
    (folder / WEIGHTS).write_bytes(weights)
    assert len({original, relabelled, open_checkpoint(str(folder)).revision}) == 3


def test_opening_imports_neither_torch_nor_transformers(folder: Path) -> None:
    """A wrong number of labels is found without loading torch or transformers."""
    edit_json(folder / CONFIG, id2label={"0": "only"})
    script = (
        "import sys\n"
        "from app.classifier.checkpoint.files import open_checkpoint\n"
        "from app.errors import CheckpointError\n"
        "try: open_checkpoint(sys.argv[1])\n"
        "except CheckpointError as error: print(error)\n"
        "print(sorted({'torch', 'transformers'} & set(sys.modules)))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(folder)],
        cwd=Path(__file__).parents[3],
        capture_output=True,
        text=True,
        check=True,
    )
    message, modules = done.stdout.splitlines()
    assert "5 labels" in message
    assert modules == "[]"


def test_a_missing_folder_says_so(tmp_path: Path) -> None:
    """A path that is not there is not looked up on the Hub."""
    assert "VITRINE_MODEL" in fail(tmp_path / "gone")
    assert "no such folder" in fail("./gone")
    assert "no such folder" in fail("a/path/of/parts")


def test_a_file_is_not_a_folder(folder: Path) -> None:
    """A file instead of its folder is refused."""
    assert "no such folder" in fail(folder / CONFIG)


def test_an_empty_folder_says_what_belongs_there(tmp_path: Path) -> None:
    """A folder without config.json leads to save_pretrained()."""
    message = fail(tmp_path)
    assert "config.json" in message
    assert "save_pretrained()" in message


@pytest.mark.parametrize("name", [CONFIG, PROCESSOR])
@pytest.mark.parametrize("content", [b"{", b"[]", b"\xff\xfe", b"", b"[" * 100_000])
def test_a_json_file_that_is_none_is_named(folder: Path, name: str, content: bytes) -> None:
    """Damaged JSON, and JSON that is no object, are refused with the file's name."""
    (folder / name).write_bytes(content)
    message = fail(folder)
    assert name in message
    assert "Save the checkpoint again" in message


def test_missing_labels_are_asked_for(folder: Path) -> None:
    """A configuration without id2label is refused with an example of one."""
    edit_json(folder / CONFIG, "id2label")
    assert '"id2label": {"0"' in fail(folder)


def test_a_gap_in_the_label_ids_is_named(folder: Path) -> None:
    """Label ids must be 0 to n - 1."""
    edit_json(folder / CONFIG, id2label={"0": "a", "1": "b", "3": "c", "4": "d", "5": "e"})
    assert "no id 2. Number them 0 to 4." in fail(folder)


@pytest.mark.parametrize("name", ["vit", "deit", "deit_with_teacher", "convnext", "beit"])
def test_a_label_count_that_does_not_fit_is_told_in_numbers(
    name: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    """Each tested architecture's head is compared with id2label, before anything is loaded."""
    folder = copy_checkpoint(request.getfixturevalue(name), tmp_path / name)
    edit_json(folder / CONFIG, id2label={"0": "a", "1": "b", "2": "c"})
    message = fail(folder)
    assert "5 labels" in message
    assert "has 3" in message


def test_no_weights_at_all_is_told(folder: Path) -> None:
    """A folder without weights asks for model.safetensors."""
    (folder / WEIGHTS).unlink()
    assert "needs model.safetensors" in fail(folder)


HEADER = b'{"classifier.weight":{"dtype":"F32","shape":[],"data_offsets":[0,4]}}'


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"hello world, this is text",
        b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n",
        (2**63 - 1).to_bytes(8, "little") + b"{}",
        (2**40).to_bytes(8, "little") + b"{}",
        (2**34).to_bytes(8, "little") + b"{}",
        (100_000).to_bytes(8, "little") + b"[" * 100_000,
        (2).to_bytes(8, "little") + b"[]",
        len(HEADER).to_bytes(8, "little") + HEADER,
    ],
)
def test_a_file_that_only_is_called_safetensors_is_refused(folder: Path, content: bytes) -> None:
    """Text, a Git LFS pointer and hostile headers are refused, with the file's name."""
    (folder / WEIGHTS).write_bytes(content)
    message = fail(folder)
    assert WEIGHTS in message
    assert "Save or download it again." in message


def test_truncated_safetensors_are_refused(folder: Path) -> None:
    """An interrupted download is refused before anything is loaded."""
    content = (folder / WEIGHTS).read_bytes()
    (folder / WEIGHTS).write_bytes(content[:-100])
    assert "not a whole safetensors file" in fail(folder)


def test_sharded_safetensors_open_and_load(vit: Path, tmp_path: Path) -> None:
    """Weights in several files are one checkpoint."""
    folder = tmp_path / "sharded"
    ViTForImageClassification.from_pretrained(vit).save_pretrained(folder, max_shard_size="12KB")
    shutil.copy(vit / PROCESSOR, folder)
    assert len(list(folder.glob("model-*.safetensors"))) > 1
    checkpoint = open_checkpoint(str(folder))
    assert load_model(checkpoint.folder).description.labels == LABELS


def test_safetensors_come_first(folder: Path, vit: Path) -> None:
    """Where both kinds of weights are there the pickle is not even opened."""
    (folder / "pytorch_model.bin").write_bytes(b"no pickle")
    checkpoint = open_checkpoint(str(folder))
    assert checkpoint.revision == open_checkpoint(str(vit)).revision
    assert load_model(checkpoint.folder).description.labels == LABELS


def test_a_pickle_opens_where_there_is_nothing_else(folder: Path) -> None:
    """The pytorch_model.bin of 2023 opens."""
    pickle_weights(folder)
    assert open_checkpoint(str(folder)).labels == LABELS


def test_a_missing_processor_names_the_setting_that_fixes_it(folder: Path) -> None:
    """A fine-tuned folder without processor leads to VITRINE_PROCESSOR."""
    (folder / PROCESSOR).unlink()
    assert "Set VITRINE_PROCESSOR" in fail(folder)


def test_the_processor_may_be_another_folder(folder: Path, deit: Path) -> None:
    """VITRINE_PROCESSOR goes before the checkpoint's own processor."""
    checkpoint = open_checkpoint(str(folder), processor=str(deit))
    assert checkpoint.processor_folder == deit
    (folder / PROCESSOR).unlink()
    found = open_checkpoint(str(folder), processor=str(deit))
    assert replace(found, digest=checkpoint.digest) == checkpoint


def test_a_processor_folder_without_one_is_told(folder: Path, tmp_path: Path) -> None:
    """A VITRINE_PROCESSOR that has no processor, or is not there, is named."""
    assert "Point VITRINE_PROCESSOR at" in fail(folder, processor=tmp_path)
    assert "VITRINE_PROCESSOR=" in fail(folder, processor=tmp_path / "gone")
    assert "VITRINE_PROCESSOR=" in fail(folder, processor="a/path/of/parts")


def test_integer_label_keys_of_a_2023_config_are_read(folder: Path) -> None:
    """What a 2023 trainer wrote opens: id2label with ids as strings beside a list of labels."""
    config = json.loads((folder / CONFIG).read_text())
    names = {str(index): name for index, name in enumerate(LABELS)}
    old = {"id2label": names, "label2id": {name: key for key, name in names.items()}}
    (folder / CONFIG).write_text(json.dumps(config | old | {"torch_dtype": "float32"}))
    assert load_model(folder).description.labels == LABELS
