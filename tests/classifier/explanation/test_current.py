"""The explainer follows the classifier's revision, and says when it cannot."""

import shutil
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn, cast

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from app.classifier.checkpoint.files import BUNDLED, open_checkpoint
from app.classifier.explanation import current
from app.classifier.explanation.current import CurrentExplainer, Outcome
from app.classifier.explanation.model_explainer import ModelExplainer
from app.errors import ModelUnavailableError
from app.explainer_backend import Explained, ExplainTask
from tests.support.checkpoints import edit_json

if TYPE_CHECKING:
    from app.backend import Pixels


class Opener:
    """Opens the checkpoint in a folder, and counts how often."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.opened = 0

    def __call__(self, _: str) -> ModelExplainer:
        """Open it as it is now."""
        self.opened += 1
        return ModelExplainer(open_checkpoint(str(self._folder)))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A copy of the bundled checkpoint."""
    return Path(shutil.copytree(BUNDLED, tmp_path / "model"))


def make_task(folder: Path, revision: str | None = None) -> ExplainTask:
    """Make the task of a blank image, for the files as they are or for another revision."""
    explainer = ModelExplainer(open_checkpoint(str(folder)))
    geometry = explainer.geometry
    pixels = cast("Pixels", np.zeros(geometry.shape, geometry.dtype))
    return ExplainTask(pixels, (7,), "gradient_attention", revision or explainer.revision, geometry)


def permute_head(folder: Path) -> None:
    """Write weights that name other labels."""
    path = folder / "model.safetensors"
    weights = load_file(path)
    weights["classifier.weight"] = weights["classifier.weight"][::-1].copy()
    save_file(weights, path, metadata={"format": "pt"})


def explain(explainer: CurrentExplainer, task: ExplainTask) -> Outcome:
    """Explain one task."""
    (outcome,) = explainer.explain([task])
    return outcome


def test_new_files_are_opened_when_the_classifier_has_them(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And the maps are of that revision."""
    opener = Opener(folder)
    explainer = CurrentExplainer(opener)
    first = make_task(folder)
    assert isinstance(explain(explainer, first), Explained)
    edit_json(folder / "config.json", hidden_dropout_prob=0.5)
    second = make_task(folder)
    assert second.revision != first.revision
    monkeypatch.setattr(current, "REOPEN_AFTER_S", 0)
    found = explain(explainer, second)
    assert isinstance(found, Explained)
    assert found.revision == second.revision
    assert opener.opened == 2


def test_a_revision_that_no_file_has_is_refused_and_not_looked_for_all_the_time(
    folder: Path,
) -> None:
    """Nothing is computed for it, and the one that is there goes on."""
    opener = Opener(folder)
    explainer = CurrentExplainer(opener)
    good = make_task(folder)
    explain(explainer, good)
    for _ in range(3):
        refused = explain(explainer, make_task(folder, "another"))
        assert isinstance(refused, ModelUnavailableError)
        assert "revision another" in refused.detail
    assert opener.opened == 1
    assert isinstance(explain(explainer, good), Explained)
    explainer.check()


def test_a_checkpoint_that_does_not_open_is_told_and_tried_again(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its files may come back; they are not looked for with each image."""
    opener = Opener(folder)
    explainer, task = CurrentExplainer(opener), make_task(folder)
    weights = (folder / "model.safetensors").read_bytes()
    (folder / "model.safetensors").unlink()
    for _ in range(3):
        assert isinstance(explain(explainer, task), ModelUnavailableError)
    assert opener.opened == 1
    (folder / "model.safetensors").write_bytes(weights)
    monkeypatch.setattr(current, "REOPEN_AFTER_S", 0)
    assert isinstance(explain(explainer, task), Explained)


@pytest.mark.parametrize("first", ["occlusion", "gradient_attention"])
def test_parts_of_two_revisions_are_not_mixed(
    folder: Path, first: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a method needs is loaded when it is asked for, by when the files may be others."""
    (second,) = {"occlusion", "gradient_attention"} - {first}
    opener = Opener(folder)
    explainer, task = CurrentExplainer(opener), make_task(folder)
    assert isinstance(explain(explainer, replace(task, method=first)), Explained)
    permute_head(folder)
    for after_s in (current.REOPEN_AFTER_S, 0, 0):
        monkeypatch.setattr(current, "REOPEN_AFTER_S", after_s)
        refused = explain(explainer, replace(task, method=second))
        assert isinstance(refused, ModelUnavailableError)
        assert isinstance(explain(explainer, replace(task, method=first)), Explained)
    changed = make_task(folder)
    for method in (first, second):
        assert isinstance(explain(explainer, replace(changed, method=method)), Explained)


def test_a_load_that_fails_is_not_tried_with_each_image(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It may take long; a GPU's full memory is one of the reasons, and a RuntimeError."""
    opener, loads = Opener(folder), list[set[str]]()
    explainer, task = CurrentExplainer(opener), make_task(folder)

    def fail(_: ModelExplainer, methods: set[str]) -> None:
        loads.append(methods)
        raise RuntimeError("CUDA out of memory")

    with monkeypatch.context() as patch:
        patch.setattr(ModelExplainer, "load", fail)
        for _ in range(3):
            assert isinstance(explain(explainer, task), ModelUnavailableError)
    assert loads == [{task.method}]
    monkeypatch.setattr(current, "REOPEN_AFTER_S", 0)
    explainer.prepare([task])
    assert opener.opened == 2
    assert isinstance(explain(explainer, task), Explained)


def test_a_load_is_no_run_that_hangs(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It may download for as long as it takes; a replica that is replaced would begin anew."""
    monkeypatch.setattr(current, "MAX_RUN_S", -1.0)
    opener = Opener(folder)

    def check_and_open(revision: str) -> ModelExplainer:
        explainer.check()
        return opener(revision)

    def check_and_load(one: ModelExplainer, methods: Iterable[str]) -> None:
        explainer.check()
        load(one, methods)

    def check_in_run(*_: object) -> NoReturn:
        with pytest.raises(ModelUnavailableError, match="hangs"):
            explainer.check()
        raise RuntimeError("seen")

    load = ModelExplainer.load
    monkeypatch.setattr(ModelExplainer, "load", check_and_load)
    monkeypatch.setattr(ModelExplainer, "explain", check_in_run)
    explainer = CurrentExplainer(check_and_open)
    with pytest.raises(RuntimeError, match="seen"):
        explain(explainer, make_task(folder))
    explainer.check()


def test_a_lost_device_makes_the_check_fail(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """So that Serve replaces the replica."""
    explainer, task = CurrentExplainer(Opener(folder)), make_task(folder)
    explain(explainer, task)

    def fail(*_: object) -> None:
        raise RuntimeError("CUDA error: device-side assert triggered")

    monkeypatch.setattr(ModelExplainer, "_look", fail)
    assert isinstance(explain(explainer, task), ModelUnavailableError)
    with pytest.raises(ModelUnavailableError, match="new replica"):
        explainer.check()
