"""The explainer of the revision that the classifier serves. It knows no Ray."""

import logging
import math
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress

from app.classifier.explanation.model_explainer import ModelExplainer
from app.errors import ModelUnavailableError, ProblemError, StartupError
from app.explainer_backend import Explained, ExplainTask

REOPEN_AFTER_S = 30.0
"""Seconds until the checkpoint is opened again: it failed, or another revision is asked for."""

NOT_LOADED = "The explainer cannot load the model; its log says why."

MAX_RUN_S = 600.0
"""Seconds after which a run is taken for one that hangs; busy predictions may stretch it by far."""

Outcome = Explained | ProblemError

_logger = logging.getLogger("vitrine.explainer")


class CurrentExplainer:
    """Explains tasks of one revision, and opens another one when that is asked for.

    Args:
        open_explainer: opens the checkpoint for a revision; raises StartupError. Nothing heavy is
            loaded before the first task.
    """

    def __init__(self, open_explainer: Callable[[str], ModelExplainer]) -> None:
        self._open = open_explainer
        self._explainer: ModelExplainer | None = None
        self._failed: set[str] = set()
        self._opened = -math.inf
        self._is_lost = False
        self._started: float | None = None
        self._lock = threading.Lock()

    def prepare(self, tasks: Sequence[ExplainTask]) -> None:
        """Load what tasks of one revision need; `explain` tells what goes wrong."""
        with self._lock, suppress(ModelUnavailableError):
            self._find(tasks)

    def explain(self, tasks: Sequence[ExplainTask]) -> list[Outcome]:
        """Explain tasks of one revision; what is refused is returned, not raised."""
        with self._lock:
            try:
                explainer = self._find(tasks)
                if not all(map(explainer.fits, tasks)):  # its processor has a folder of its own
                    raise ModelUnavailableError("The model is being changed; try again soon.")
                return [*self._run(explainer, tasks)]
            except ProblemError as problem:
                return [problem] * len(tasks)

    def check(self) -> None:
        """Raise ModelUnavailableError if the device is lost or a run hangs; runs nothing."""
        if self._is_lost:
            raise ModelUnavailableError("The explainer's device fails; a new replica is starting.")
        started = self._started
        if started is not None and time.monotonic() - started > MAX_RUN_S:
            raise ModelUnavailableError(f"An explanation takes over {MAX_RUN_S:.0f} s; it hangs.")

    def _run(self, explainer: ModelExplainer, tasks: Sequence[ExplainTask]) -> list[Explained]:
        """Explain tasks that fit; raises ModelUnavailableError if the device is lost."""
        self._started = time.monotonic()
        try:
            return explainer.explain(tasks)
        except ModelUnavailableError:
            self._is_lost = True
            raise
        finally:
            self._started = None

    def _find(self, tasks: Sequence[ExplainTask]) -> ModelExplainer:
        """Find the explainer of the tasks' revision, with what their methods need.

        Raises:
            ModelUnavailableError: the files are of another revision, or cannot be loaded.
        """
        revision, methods = tasks[0].revision, {task.method for task in tasks}
        explainer = self._explainer
        fits = explainer is not None and explainer.revision == revision
        if not (fits and self._failed.isdisjoint(methods)):
            explainer = self._reopen(revision)
        if explainer is None or not self._failed.isdisjoint(methods):
            raise ModelUnavailableError(NOT_LOADED)
        if explainer.revision != revision:
            message = (
                f"The classifier serves revision {revision} of the model, and its files are of "
                "another one. If they were changed, have the service load them anew."
            )
            raise ModelUnavailableError(message)
        with self._translate_errors(methods):
            explainer.load(methods)
        return explainer

    def _reopen(self, revision: str) -> ModelExplainer | None:
        """Open the checkpoint anew, at most once in a while; None if it was never opened.

        One of another revision is kept only if there is none yet.
        """
        if time.monotonic() - self._opened > REOPEN_AFTER_S:
            with self._translate_errors(set()):
                opened = self._open(revision)
                self._opened = time.monotonic()
            if self._explainer is None or opened.revision == revision:
                self._explainer, self._failed = opened, set()
        return self._explainer

    @contextmanager
    def _translate_errors(self, methods: set[str]) -> Iterator[None]:
        """Raise what keeps methods from being loaded as ModelUnavailableError, and remember it."""
        try:
            yield
        except (StartupError, RuntimeError, MemoryError) as exc:  # a GPU's memory: RuntimeError
            self._failed |= methods
            self._opened = time.monotonic()
            _logger.warning("the explainer cannot load the model: %s", exc)
            raise ModelUnavailableError(NOT_LOADED) from exc
