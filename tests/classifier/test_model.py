"""The model: groups in, logits out, each group's own."""

from pathlib import Path
from typing import cast

import numpy as np
import pytest
import torch
from transformers import AutoImageProcessor, AutoModelForImageClassification

from app.backend import Geometry, Group, Logits, Pixels
from app.classifier.checkpoint.files import open_checkpoint
from app.classifier.engines.selection import EngineOptions
from app.classifier.model import Model
from app.errors import ModelUnavailableError, SettingsError
from app.images.decoder import DecodedImage
from app.images.geometry import build_processor
from tests.support.checkpoints import LABELS, SIDE, load_model, save_vit
from tests.support.pictures import draw_image

ARCHITECTURES = ["vit", "deit", "deit_with_teacher", "convnext", "beit"]
CLOSE = 1e-5
"""How much a batch of another size may change a logit, in float32."""


@pytest.fixture
def model(vit: Path) -> Model:
    """The ViT, loaded."""
    return load_model(vit)


@pytest.fixture
def batches(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The sizes of all batches that models run from here on."""
    sizes: list[int] = []
    forward = Model.forward

    def note(model: Model, pixels: Pixels) -> Logits:
        sizes.append(len(pixels))
        return forward(model, pixels)

    monkeypatch.setattr(Model, "forward", note)
    return sizes


def make_pixels(count: int, seed: int = 0) -> Pixels:
    """Make random pixels `[count, height, width, 3]`."""
    random = np.random.default_rng(seed)
    return random.integers(0, 256, (count, SIDE, SIDE, 3), dtype=np.uint8)


def make_group(model: Model, pixels: Pixels, revision: str | None = None) -> Group:
    """Make a group for this model, or for another revision of it."""
    description = model.description
    return Group(pixels, revision or description.revision, description.geometry)


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_forward_equals_the_module_called_directly(
    name: str, request: pytest.FixtureRequest
) -> None:
    """Logits are those of transformers' model on transformers' pixels, to 1e-5."""
    folder: Path = request.getfixturevalue(name)
    images = [draw_image(size) for size in ((60, 50), (32, 32), (41, 97))]
    processor = AutoImageProcessor.from_pretrained(folder, backend="pil")
    module = AutoModelForImageClassification.from_pretrained(folder).eval()
    with torch.inference_mode():
        expected = module(**processor(images=images, return_tensors="pt")).logits.numpy()
    model = load_model(folder)
    process = build_processor(model.description.geometry, 10**6)
    pixels = np.stack([process(DecodedImage(image, "PNG", image.size)) for image in images])
    logits = model.forward(cast("Pixels", pixels))
    assert logits.dtype == np.float32
    assert logits.shape == (3, len(LABELS))
    np.testing.assert_allclose(logits, expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_the_description_names_what_is_served(name: str, request: pytest.FixtureRequest) -> None:
    """Name, revision, labels and device are the checkpoint's."""
    checkpoint = open_checkpoint(str(request.getfixturevalue(name)))
    description = Model(checkpoint, EngineOptions("cpu")).description
    assert (description.model_id, description.revision) == (checkpoint.id, checkpoint.revision)
    assert description.labels == LABELS
    assert description.device == "cpu"


def test_the_geometry_is_the_processors(vit: Path, deit: Path, convnext: Path) -> None:
    """Square, square and crop, short edge and crop: each as its processor says."""
    size = (SIDE, SIDE)
    assert load_model(vit).description.geometry == Geometry(size, size, 2, crop=False)
    assert load_model(deit).description.geometry == Geometry(size, (41, 41), 3, crop=True)
    assert load_model(convnext).description.geometry == Geometry(size, 36, 3, crop=True)


@pytest.mark.parametrize(
    ("labels", "problem", "activation"),
    [
        (LABELS, None, "softmax"),
        (LABELS, "single_label_classification", "softmax"),
        (LABELS, "multi_label_classification", "sigmoid"),
        (("only",), None, "sigmoid"),
        (("only",), "regression", "none"),
    ],
)
def test_the_activation_follows_the_problem(
    labels: tuple[str, ...], problem: str | None, activation: str, tmp_path: Path
) -> None:
    """The rules are those of transformers' pipeline."""
    assert load_model(save_vit(tmp_path, labels, problem)).description.activation == activation


def test_each_group_gets_its_own_logits(model: Model) -> None:
    """Groups that are scored as one batch are split again, in order."""
    groups = [make_group(model, make_pixels(count, seed=count)) for count in (1, 3, 2)]
    scored = model.score(groups)
    for group, one in zip(groups, scored, strict=True):
        assert one.logits is not None
        assert one.logits == pytest.approx(model.forward(group.pixels), abs=CLOSE)
        assert one.description is None
        assert one.revision == model.description.revision
        assert one.inference_ms > 0
    assert len({one.logits.tobytes() for one in scored if one.logits is not None}) == 3


def test_groups_run_as_one_batch(model: Model, batches: list[int]) -> None:
    """Two groups of three images are one batch of six."""
    model.score([make_group(model, make_pixels(3)), make_group(model, make_pixels(3, seed=1))])
    assert batches == [6]


def test_a_group_for_another_revision_is_scored_and_told(model: Model) -> None:
    """Where the geometry fits the group is scored, with the description of what scored it."""
    (scored,) = model.score([make_group(model, make_pixels(2), revision="older")])
    assert scored.logits is not None
    assert scored.revision == model.description.revision
    assert scored.description == model.description


def test_a_group_of_another_geometry_is_refused_and_the_rest_is_scored(model: Model) -> None:
    """A refused group gets the description instead of logits and does not fail its neighbours."""
    first, last = (make_group(model, make_pixels(2, seed)) for seed in (1, 2))
    other = Geometry((8, 8), (8, 8), 2, crop=False)
    refused = Group(np.zeros((1, 8, 8, 3), np.uint8), "older", other)
    scored = model.score([first, refused, last])
    assert [one.logits is None for one in scored] == [False, True, False]
    assert scored[1].description == model.description
    assert scored[2].logits == pytest.approx(model.forward(last.pixels), abs=CLOSE)


def test_another_geometry_of_the_same_revision_is_told_too(model: Model) -> None:
    """When only the processor was changed, a refused group still learns the new geometry."""
    other = Geometry((8, 8), (8, 8), 2, crop=False)
    pixels = np.zeros((1, 8, 8, 3), np.uint8)
    (scored,) = model.score([Group(pixels, model.description.revision, other)])
    assert scored.logits is None
    assert scored.description == model.description


def test_refused_groups_alone_run_no_batch(model: Model, batches: list[int]) -> None:
    """Nothing is run when no group fits."""
    other = Geometry((8, 8), (8, 8), 2, crop=False)
    model.score([Group(np.zeros((1, 8, 8, 3), np.uint8), "older", other)])
    assert batches == []


@pytest.mark.parametrize(
    ("batch_size", "expected"), [(1, [1]), (2, [1, 2]), (5, [1, 2, 4, 5]), (8, [1, 2, 4, 8])]
)
def test_warming_up_runs_each_power_of_two_and_the_full_batch(
    batch_size: int, expected: list[int], model: Model, batches: list[int]
) -> None:
    """No batch size that occurs often is met for the first time by a request."""
    model.warm_up(batch_size)
    assert batches == expected


def test_a_fallback_processor_warms_up_too(beit: Path, batches: list[int]) -> None:
    """Pixels that the processor has already scaled are float32, in a warm-up as well."""
    model = load_model(beit)
    batches.clear()
    model.warm_up(2)
    assert batches == [1, 2]


def test_a_gpu_that_is_not_there_is_told(vit: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """VITRINE_DEVICE=cuda without a GPU ends in one line that says what to set."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(SettingsError, match=r"no GPU\. Set it to auto or cpu\."):
        Model(open_checkpoint(str(vit)), EngineOptions("cuda"))
    assert Model(open_checkpoint(str(vit)), EngineOptions("auto")).description.device == "cpu"


def test_a_lost_device_is_told_from_then_on(model: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    """The check refuses without running anything, so that Serve replaces the replica."""
    model.check()

    def fail(model: Model, pixels: Pixels) -> Logits:
        raise RuntimeError(f"no device for {len(pixels)} images of {model.description.model_id}")

    with monkeypatch.context() as patch:
        patch.setattr(Model, "forward", fail)
        with pytest.raises(ModelUnavailableError, match="device"):
            model.score([make_group(model, make_pixels(2))])
    with pytest.raises(ModelUnavailableError, match="device"):
        model.check()


def test_a_batch_that_lacked_memory_is_not_tried_again(
    model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The next one of its size runs in parts that fit, and gives the same logits."""
    pixels, run, sizes = make_pixels(8), model.engine.run, list[int]()
    expected = model.forward(pixels)

    def run_at_most_three(part: Pixels) -> Logits:
        sizes.append(len(part))
        if len(part) > 3:
            raise MemoryError
        return run(part)

    monkeypatch.setattr(model.engine, "run", run_at_most_three)
    for _ in range(2):
        scored = model.score([make_group(model, pixels)])[0]
        assert scored.logits is not None
        np.testing.assert_allclose(scored.logits, expected, atol=1e-5)
    assert model.max_batch == 2
    assert [size for size in sizes if size > 1] == [8, 4, *[2] * 8]
