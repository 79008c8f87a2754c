"""The explainer: every architecture, batches, and images that fail."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor
from transformers import PreTrainedModel

from app.backend import Geometry
from app.classifier.checkpoint.files import Checkpoint, open_checkpoint
from app.classifier.checkpoint.weights import load_weights
from app.classifier.engines.conversion import write_quantized
from app.classifier.engines.selection import EngineOptions
from app.classifier.explanation.attention import AttentionMethod
from app.classifier.explanation.maps import Maps, normalize
from app.classifier.explanation.model_explainer import MAX_IMAGES, ModelExplainer
from app.classifier.explanation.support import BLOCKS, STAGES
from app.errors import ModelUnavailableError
from app.explainer_backend import Explained, ExplainTask
from tests.classifier.explanation.conftest import MakeExplainer
from tests.support.checkpoints import LABELS, load_model
from tests.support.explaining import make_pixels, make_task

CLOSE = 1e-4
"""How much a batch of another size may change a map."""


def check_equal(one: Explained, other: Explained) -> None:
    """Check that two answers are the same but for rounding."""
    assert (one.label_ids, one.method, one.layers) == (
        other.label_ids,
        other.method,
        other.layers,
    )
    np.testing.assert_allclose(one.logits, other.logits, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(one.relevance, other.relevance, atol=CLOSE)


@pytest.mark.parametrize("model_type", sorted({*BLOCKS, *STAGES, "swin"}))
def test_every_architecture_is_explained(
    model_type: str, make_explainer: MakeExplainer, find_folder: Callable[[str], Path]
) -> None:
    """Each method gives a map of the best label, with the logits that are served."""
    explainer = make_explainer(model_type)
    pixels = make_pixels(3, explainer.geometry.size[0])
    logits = load_model(find_folder(model_type)).forward(pixels)
    for method in explainer.methods:
        tasks = [make_task(explainer, one, method=method) for one in pixels]
        for found, expected in zip(explainer.explain(tasks), logits, strict=True):
            np.testing.assert_allclose(found.logits, expected, rtol=1e-4, atol=1e-4)
            assert found.label_ids == (expected.argmax(),)
            assert found.method == method
            assert found.revision == explainer.revision
            assert found.relevance.dtype == np.float32
            assert found.relevance.min() >= 0
            assert found.relevance.max() in {0, 1}


@pytest.mark.parametrize("model_type", ["vit", "dinov2", "convnext"])
def test_a_batch_is_explained_as_one_by_one(model_type: str, make_explainer: MakeExplainer) -> None:
    """Images of a batch, with one or several labels each, do not change each other."""
    explainer = make_explainer(model_type)
    pixels = make_pixels(4, explainer.geometry.size[0])
    labels: list[tuple[int, ...]] = [(), (3, 1, 0), (2,), (4, 4)]
    for method in explainer.methods:
        tasks = [
            make_task(explainer, one, *ids, method=method)
            for one, ids in zip(pixels, labels, strict=True)
        ]
        together = explainer.explain(tasks)
        for task, found in zip(tasks, together, strict=True):
            check_equal(found, explainer.explain([task])[0])
        for index, label in enumerate(labels[1]):
            (alone,) = explainer.explain([make_task(explainer, pixels[1], label, method=method)])
            np.testing.assert_allclose(together[1].relevance[index], alone.relevance[0], atol=CLOSE)


def test_methods_can_be_mixed_and_come_back_in_order(make_explainer: MakeExplainer) -> None:
    """Each method's tasks run together, and each answer is its own task's."""
    explainer, pixels = make_explainer("vit"), make_pixels(4)
    methods = ["occlusion", "gradient_attention"] * 2
    tasks = [
        make_task(explainer, one, 1, method=method)
        for one, method in zip(pixels, methods, strict=True)
    ]
    found = explainer.explain(tasks)
    assert [one.method for one in found] == methods
    assert [one.layers for one in found] == [None, (1, 3, 3)] * 2
    for task, one in zip(tasks, found, strict=True):
        check_equal(one, explainer.explain([task])[0])


def test_labels_are_told_apart(make_explainer: MakeExplainer) -> None:
    """The map of one label is not that of another."""
    explainer = make_explainer("vit")
    (found,) = explainer.explain([make_task(explainer, make_pixels(1)[0], *range(len(LABELS)))])
    assert len({one.tobytes() for one in found.relevance}) == len(LABELS)


def test_a_large_batch_runs_in_parts(
    make_explainer: MakeExplainer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No run has more images than fit, nor images of which more labels are asked than of others."""
    explainer, shapes, explain = make_explainer("vit"), list[list[int]](), AttentionMethod.explain

    def note(method: AttentionMethod, inputs: Tensor, label_ids: Tensor) -> Maps:
        shapes.append(list(label_ids.shape))
        return explain(method, inputs, label_ids)

    monkeypatch.setattr(AttentionMethod, "explain", note)
    pixels = make_pixels(MAX_IMAGES + 3)
    tasks = [make_task(explainer, one) for one in pixels]
    tasks[1] = make_task(explainer, pixels[1], 3, 4)
    found = explainer.explain(tasks)
    assert [len(one.relevance) for one in found] == [1, 2] + [1] * (MAX_IMAGES + 1)
    assert sorted(shapes) == [[1, 2], [2, 0], [MAX_IMAGES, 0]]


def test_another_geometry_method_or_label_does_not_fit(make_explainer: MakeExplainer) -> None:
    """So that whoever asks can be refused before anything runs."""
    explainer, pixels = make_explainer("vit"), make_pixels(1)[0]
    small = Geometry((8, 8), (8, 8), 2, crop=False)
    bad = [
        replace(make_task(explainer, pixels), geometry=small),
        make_task(explainer, pixels, method="hirescam"),
        make_task(explainer, pixels, len(LABELS)),
        make_task(explainer, pixels, 0, -1),
    ]
    assert [explainer.fits(task) for task in bad] == [False] * len(bad)
    assert explainer.fits(make_task(explainer, pixels, 0, len(LABELS) - 1))


def test_an_image_that_fails_alone_fails_alone(
    make_explainer: MakeExplainer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It gets NaN logits and an empty map; its neighbours are explained as without it."""
    explainer, explain = make_explainer("vit"), AttentionMethod.explain
    tasks = [make_task(explainer, one, 1) for one in make_pixels(5)]
    expected = explainer.explain(tasks)
    tasks[2] = make_task(explainer, np.full((32, 32, 3), 255, np.uint8), 1)

    def fail_on_white(method: AttentionMethod, inputs: Tensor, label_ids: Tensor) -> Maps:
        if (inputs == inputs.max()).flatten(1).all(dim=1).any() and inputs.max() > 0:
            raise RuntimeError("white")
        return explain(method, inputs, label_ids)

    monkeypatch.setattr(AttentionMethod, "explain", fail_on_white)
    found = explainer.explain(tasks)
    assert np.isnan(found[2].logits).all()
    assert found[2].label_ids == (1,)
    assert found[2].relevance.max() == 0
    for index in (0, 1, 3, 4):
        check_equal(found[index], expected[index])


@pytest.mark.parametrize("method", ["gradient_attention", "occlusion"])
def test_a_lost_device_is_told(
    method: str, make_explainer: MakeExplainer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where a blank image fails too, the explainer says so instead of blaming the image."""
    explainer = make_explainer("vit")
    task = make_task(explainer, make_pixels(1)[0], method=method)

    def fail(*_arguments: object) -> None:
        raise RuntimeError("no device")

    monkeypatch.setattr(AttentionMethod, "explain", fail)
    monkeypatch.setattr("app.classifier.explanation.model_explainer.measure_drops", fail)
    with pytest.raises(ModelUnavailableError, match="device"):
        explainer.explain([task])


def test_pixels_that_are_no_numbers_spoil_nothing_else(
    beit: Path, make_explainer: MakeExplainer
) -> None:
    """NaN pixels, which only a fallback processor could give, end in NaN logits and no map."""
    explainer = make_explainer(beit)
    pixels = np.random.default_rng(0).normal(size=(2, 32, 32, 3)).astype(np.float32)
    geometry, method = explainer.geometry, explainer.methods[0]
    tasks = [ExplainTask(one, (1,), method, explainer.revision, geometry) for one in pixels]
    expected = explainer.explain(tasks)
    pixels[0] = np.nan
    found = explainer.explain(tasks)
    assert np.isnan(found[0].logits).all()
    assert found[0].relevance.max() == 0
    check_equal(found[1], expected[1])


@pytest.mark.parametrize("engine", ["torch", "openvino"])
def test_occlusion_runs_the_engine_that_serves(engine: str, vit: Path) -> None:
    """Its logits are bit-equal to the engine's own."""
    options = EngineOptions("cpu", engine)  # type: ignore[arg-type] # one of the names
    explainer, pixels = ModelExplainer(open_checkpoint(str(vit)), options), make_pixels(1)[0]
    (found,) = explainer.explain([make_task(explainer, pixels, 2, method="occlusion")])
    assert found.relevance.shape == (1, 7, 7)
    torch_found = ModelExplainer(open_checkpoint(str(vit)), EngineOptions("cpu", "torch")).explain(
        [make_task(explainer, pixels, 2, method="occlusion")]
    )[0]
    check_equal(found, torch_found)


def test_int8_is_explained_by_occlusion(vit: Path, tmp_path: Path) -> None:
    """There is no other method, and no fp32 weight is looked for."""
    folder = tmp_path / "int8"
    folder.mkdir()
    plain = ModelExplainer(open_checkpoint(str(vit)), EngineOptions("cpu", "torch"))
    engine_input = plain._parts.engine_input  # noqa: SLF001 - what quantize reads
    write_quantized(engine_input, list(make_pixels(4)), folder / "vitrine_int8.xml")
    for name in ("config.json", "preprocessor_config.json"):
        (folder / name).write_bytes((vit / name).read_bytes())
    explainer = ModelExplainer(open_checkpoint(str(folder)), EngineOptions("cpu"))
    assert explainer.methods == ("occlusion",)
    (found,) = explainer.explain([make_task(explainer, make_pixels(1)[0])])
    assert found.method == "occlusion"
    assert found.relevance.max() == 1


def test_nothing_is_loaded_before_it_is_needed(vit: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An explainer that nobody asks costs no memory; it loads once."""
    loaded: list[object] = []

    def note(checkpoint: Checkpoint) -> PreTrainedModel:
        loaded.append(checkpoint)
        return load_weights(checkpoint)

    monkeypatch.setattr("app.classifier.explanation.parts.load_weights", note)
    explainer = ModelExplainer(open_checkpoint(str(vit)), EngineOptions("cpu", "torch"))
    task = make_task(explainer, make_pixels(1)[0])
    assert loaded == []
    for _ in range(2):
        explainer.explain([task])
    assert len(loaded) == 1


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ([[0.5, 2.0], [-1.0, 1.0]], [[0.25, 1.0], [0.0, 0.5]]),
        ([[-1.0, -2.0], [0.0, -1.0]], [[0.0, 0.0], [0.0, 0.0]]),
        ([[float("nan"), 2.0], [float("inf"), 1.0]], [[0.0, 1.0], [0.0, 0.5]]),
    ],
)
def test_maps_are_cut_at_zero_and_reach_one(
    given: list[list[float]], expected: list[list[float]]
) -> None:
    """A map that speaks against the label everywhere is all 0; what is no number counts as 0."""
    assert normalize(np.array([given], np.float32)).tolist() == [expected]


def test_torch_keeps_no_graph(make_explainer: MakeExplainer) -> None:
    """No parameter gets a gradient, whatever ran."""
    explainer = make_explainer("vit")
    explainer.explain([make_task(explainer, one) for one in make_pixels(3)])
    module: torch.nn.Module = explainer._parts.method._module  # noqa: SLF001 - it is not handed out
    assert all(not one.requires_grad and one.grad is None for one in module.parameters())
