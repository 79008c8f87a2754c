"""Explanations on a GPU are those of the CPU."""

from pathlib import Path

import numpy as np
import pytest
import torch

from app.classifier.checkpoint.files import BUNDLED, open_checkpoint
from app.classifier.engines.selection import EngineOptions
from app.classifier.explanation.model_explainer import ModelExplainer
from tests.support.architectures import save_architecture
from tests.support.explaining import make_pixels, make_task

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU")


@pytest.mark.parametrize("model_type", ["vit", "dinov2_with_registers", "beit", "convnext"])
def test_maps_equal_those_of_the_cpu(model_type: str, tmp_path: Path) -> None:
    """Of each kind of head, for one label and for several; TF32 would be too coarse."""
    folder = BUNDLED if model_type == "vit" else save_architecture(tmp_path, model_type)
    checkpoint = open_checkpoint(str(folder))
    cpu, gpu = (ModelExplainer(checkpoint, EngineOptions(one)) for one in ("cpu", "cuda"))
    pixels = make_pixels(11, cpu.geometry.size[0])
    tasks = [make_task(cpu, one, *range(number % 3)) for number, one in enumerate(pixels)]
    for found, expected in zip(gpu.explain(tasks), cpu.explain(tasks), strict=True):
        assert found.label_ids == expected.label_ids
        np.testing.assert_allclose(found.logits, expected.logits, rtol=1e-4, atol=1e-4)
        np.testing.assert_allclose(found.relevance, expected.relevance, atol=1e-3)
