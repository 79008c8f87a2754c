"""Tasks for an explainer, and pixels for them."""

import numpy as np
from numpy.typing import NDArray

from app.classifier.explanation.model_explainer import ModelExplainer
from app.explainer_backend import ExplainTask


def make_pixels(count: int, side: int = 32) -> NDArray[np.uint8]:
    """Make random pixels `[count, side, side, 3]`, of 4 x 4 colours."""
    random = np.random.default_rng(0)
    coarse = random.integers(0, 256, (count, 4, 4, 3), dtype=np.uint8)
    return coarse.repeat(side // 4, axis=1).repeat(side // 4, axis=2)


def make_task(
    explainer: ModelExplainer, pixels: NDArray[np.uint8], *label_ids: int, method: str | None = None
) -> ExplainTask:
    """Make a task for an explainer, by its default method or another."""
    method = method or explainer.methods[0]
    return ExplainTask(pixels, label_ids, method, explainer.revision, explainer.geometry)
