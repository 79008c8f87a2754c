"""What training starts from: a base with the right head, or a new model."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from app.classifier.checkpoint.files import open_checkpoint
from app.classifier.checkpoint.weights import load_weights
from app.errors import CheckpointError, SettingsError
from app.settings import Settings
from app.training.scratch import build_model
from app.training.start import save_model, write_base
from tests.support.architectures import save_architecture
from tests.support.checkpoints import LABELS, edit_json, pickle_weights, save_vit

SETTINGS = Settings(model="bundled")


def write(tmp_path: Path, labels: tuple[str, ...], base: Path | None = None) -> Path:
    """Write a start from a base with LABELS; gives its folder."""
    base = base or save_vit(tmp_path / "base")
    write_base(str(base), SETTINGS, labels, tmp_path / "start")
    return tmp_path / "start"


def read_head(folder: Path) -> torch.Tensor:
    """Read the weights of a head."""
    return load_file(folder / "model.safetensors")["classifier.weight"]


def test_a_head_of_the_same_labels_is_kept(tmp_path: Path) -> None:
    """In whatever order the dataset has them, ids stay those of the base."""
    folder = write(tmp_path, tuple(reversed(LABELS)))
    assert open_checkpoint(str(folder)).labels == LABELS
    assert torch.equal(read_head(folder), read_head(tmp_path / "base"))


@pytest.mark.parametrize("count", [len(LABELS), len(LABELS) + 4])
def test_other_labels_get_a_new_head(tmp_path: Path, count: int) -> None:
    """Also as many other labels: an old head would know something else under their names."""
    labels = tuple(f"new {one}" for one in range(count))
    folder = write(tmp_path, labels)
    assert open_checkpoint(str(folder)).labels == labels
    head = read_head(folder)
    assert len(head) == count
    assert not torch.equal(head[: len(LABELS)], read_head(tmp_path / "base"))


@pytest.mark.parametrize("model_type", ["siglip", "swin", "convnext", "resnet"])
def test_every_architecture_gets_a_new_head(tmp_path: Path, model_type: str) -> None:
    """The head of as many other labels is not kept, and the backbone is."""
    base = save_architecture(tmp_path / "base", model_type)
    folder = write(tmp_path, tuple(f"new {one}" for one in range(len(LABELS))), base)
    ours, theirs = (load_file(one / "model.safetensors") for one in (folder, base))
    changed = {name for name in theirs if not torch.equal(ours[name], theirs[name])}
    assert changed
    assert all(name.startswith("classifier.") for name in changed)


def test_a_backbone_that_lacks_weights_is_refused(tmp_path: Path) -> None:
    """Not only the head of a SigLIP model may be missing; its blocks may not begin as noise."""
    base = save_architecture(tmp_path / "base", "siglip")
    weights = load_file(base / "model.safetensors")
    lost = next(name for name in weights if ".encoder.layers.1." in name)
    del weights[lost]
    save_file(weights, base / "model.safetensors", {"format": "pt"})
    with pytest.raises(CheckpointError, match=f"its weights lack {lost}"):
        write(tmp_path, ("a", "b"), base)


def test_more_blocks_than_there_are_cannot_be_frozen(tmp_path: Path) -> None:
    """Before anything is written, in one line."""
    base = save_architecture(tmp_path / "base", "vit")
    with pytest.raises(SettingsError, match="--freeze 4: the backbone of vit has 3 blocks"):
        write_base(str(base), SETTINGS, ("a", "b"), tmp_path / "start", 4)
    assert not (tmp_path / "start").exists()


def test_the_backbone_is_that_of_the_base(tmp_path: Path) -> None:
    """A new head changes nothing else."""
    folder = write(tmp_path, ("a", "b"))
    ours, theirs = (load_file(one / "model.safetensors") for one in (folder, tmp_path / "base"))
    same = [name for name in theirs if not name.startswith("classifier.")]
    assert same
    assert all(torch.equal(ours[name], theirs[name]) for name in same)


def test_what_is_written_is_a_checkpoint_that_is_served(tmp_path: Path) -> None:
    """It is complete, and opens as a service would open it."""
    load_weights(open_checkpoint(str(write(tmp_path, ("a", "b", "c")))))


def test_a_base_without_labels_can_be_tuned(tmp_path: Path) -> None:
    """A pretrained model has no id2label."""
    base = save_vit(tmp_path / "base")
    edit_json(base / "config.json", "id2label", "label2id")
    assert open_checkpoint(str(write(tmp_path, ("a", "b"), base))).labels == ("a", "b")


def test_a_pickle_is_refused(tmp_path: Path) -> None:
    """Only safetensors are read."""
    base = save_vit(tmp_path / "base")
    pickle_weights(base)
    with pytest.raises(CheckpointError, match=r"needs model\.safetensors"):
        write(tmp_path, ("a", "b"), base)


def test_a_base_that_is_not_there_is_one_line(tmp_path: Path) -> None:
    """The option is named."""
    with pytest.raises(CheckpointError, match="--base"):
        write(tmp_path, ("a", "b"), tmp_path / "nowhere")


def test_a_base_that_is_no_image_classifier_is_one_line(tmp_path: Path) -> None:
    """Another architecture is refused in one line."""
    base = save_vit(tmp_path / "base")
    edit_json(base / "config.json", model_type="bert")
    with pytest.raises(CheckpointError, match=r"--base .* cannot be tuned") as caught:
        write(tmp_path, ("a", "b"), base)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(("side", "size"), [(8, 32), (32, 32), (50, 64), (300, 224)])
def test_a_new_model_fits_the_images(tmp_path: Path, side: int, size: int) -> None:
    """Its input is the next larger side, up to 224 pixels; what is written opens."""
    model, processor = build_model(side, ("a", "b"))
    processor.save_pretrained(tmp_path)
    save_model(model, tmp_path)
    assert model.config.image_size == size
    assert open_checkpoint(str(tmp_path)).labels == ("a", "b")
    assert (tmp_path / "model.safetensors").stat().st_mode & 0o044
