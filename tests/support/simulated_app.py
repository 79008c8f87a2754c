"""The application with simulated GPUs: in place of the model a classifier sleeps.

    serve run tests.support.simulated_app:build max_classifier_replicas=8

A batch takes the time of a slow GPU's and none of the CPU's, so that many fit on this machine.
"""

import time
from types import SimpleNamespace
from typing import Any

import numpy as np
from ray import serve

from app.backend import Description, Geometry, Group, Scored
from app.deployments.application import bind_application
from app.deployments.classifier import Classifier
from app.settings import Settings

FIXED_S, IMAGE_S, BATCH_SIZE = 0.1, 0.025, 4
"""Seconds of a batch, and for each of its images."""

RATE = BATCH_SIZE / (FIXED_S + BATCH_SIZE * IMAGE_S)
"""Images/s that one of them can do."""

DESCRIPTION = Description(
    model_id="simulated",
    revision="simulated",
    labels=("first", "second"),
    activation="softmax",
    geometry=Geometry(size=(32, 32), resize=(32, 32), resample=2, crop=False),
    device="cpu",
    engine="simulated fp32",
)


class SimulatedModel:
    """What a classifier asks of its model."""

    engine = SimpleNamespace(slots=1)
    description = DESCRIPTION
    best_rate = RATE
    is_busy = False

    def check(self) -> None:
        """Find nothing wrong."""

    def run_probe(self) -> None:
        """Find nothing wrong."""

    def score(self, groups: list[Group]) -> list[Scored]:
        """Take the time that a batch takes, and prefer the first label."""
        seconds = FIXED_S + IMAGE_S * sum(len(group.pixels) for group in groups)
        time.sleep(seconds)
        logits = (np.tile(np.array([2, 0], np.float32), (len(group.pixels), 1)) for group in groups)
        revision = DESCRIPTION.revision
        return [
            Scored(
                revision, one, None if group.revision == revision else DESCRIPTION, 1000 * seconds
            )
            for group, one in zip(groups, logits, strict=True)
        ]


class SimulatedClassifier(Classifier.func_or_class):  # type: ignore[misc, name-defined] # a serve.Deployment by now
    """A classifier around a sleep."""

    @staticmethod
    def choose_loader(_settings: Settings) -> Any:  # noqa: ANN401 - it only looks like a model
        """Choose the sleep."""
        return SimulatedModel


def build(args: dict[str, object]) -> serve.Application:
    """Build the application from settings by name."""
    settings = Settings(**args | {"device": "cpu", "batch_size": BATCH_SIZE})  # type: ignore[arg-type]
    simulated = Classifier.options(func_or_class=SimulatedClassifier, name="Classifier")  # type: ignore[attr-defined]
    return bind_application(settings, classifier=simulated)
