"""An ExplainerBackend without Ray: the maps are found in this process."""

import asyncio

from app.classifier.checkpoint.files import Checkpoint
from app.classifier.engines.selection import EngineOptions
from app.classifier.explanation.model_explainer import ModelExplainer
from app.explainer_backend import Explained, ExplainTask
from app.images.overlay import draw_map


class LocalExplainer:
    """An ExplainerBackend over a ModelExplainer in this process, one image at a time."""

    def __init__(self, checkpoint: Checkpoint, options: EngineOptions | None = None) -> None:
        self._explainer = ModelExplainer(checkpoint, options)

    async def explain(self, task: ExplainTask) -> Explained:
        """Explain an image; raises ProblemError, StartupError."""
        return await asyncio.to_thread(self._run, task)

    def _run(self, task: ExplainTask) -> Explained:
        """Explain an image, and draw its map."""
        (explained,) = self._explainer.explain([task])
        return draw_map(explained, task.picture)
