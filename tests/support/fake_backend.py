"""A classifier without a model, for tests: a Backend whose answers can be worked out by hand."""

import asyncio
from dataclasses import replace
from typing import Final

import numpy as np

from app.backend import Description, Geometry, Group, Logits, Scored
from app.errors import ProblemError

DESCRIPTION: Final = Description(
    model_id="fake",
    revision="first",
    labels=("black", "dark", "grey", "light", "white"),
    activation="softmax",
    geometry=Geometry(size=(8, 8), resize=(8, 8), resample=2, crop=False),
    device="cpu",
    engine="torch fp32",
)


class FakeBackend:
    """Tells images apart by brightness: a black one gets the first label, a white one the last.

    It scores with what it serves at the moment that it answers, and says what was asked of it.

    Attributes:
        description: what it serves now.
        groups: every group that it was sent, in order.
        describe_calls: how often it was asked to describe itself.
        checks: how often it was asked whether it is well.
        scale: of its logits.
        classifiers: how many it says it has.
    """

    def __init__(self, description: Description = DESCRIPTION) -> None:
        self.description = description
        self.groups: list[Group] = []
        self.describe_calls = 0
        self.checks = 0
        self.scale = 10.0
        self.classifiers = 1
        self._error: ProblemError | None = None
        self._free = asyncio.Event()
        self._free.set()

    async def describe(self) -> Description:
        """Say what is served, unless told to hang or to fail."""
        self.describe_calls += 1
        await self._wait()
        return self.description

    async def predict(self, group: Group) -> Scored:
        """Score by brightness, unless told to hang or to fail."""
        self.groups.append(group)
        await self._wait()
        served = self.description
        fits = group.geometry == served.geometry
        return Scored(
            revision=served.revision,
            logits=self._score(group) if fits else None,
            description=None if group.knows(served) else served,
            inference_ms=1.0,
        )

    async def check(self) -> None:
        """Be well, unless told to hang or to fail."""
        self.checks += 1
        await self._wait()

    def count_classifiers(self) -> int:
        """Count what it says it has."""
        return self.classifiers

    def count_ingresses(self) -> int:
        """Count one, the test."""
        return 1

    def hang(self) -> None:
        """Answer nothing until `resume`."""
        self._free.clear()

    def resume(self) -> None:
        """Answer what hangs, and all that comes."""
        self._free.set()

    def fail(self, error: ProblemError | None) -> None:
        """Raise `error` instead of answering; None heals."""
        self._error = error

    def switch_revision(self, revision: str = "second") -> None:
        """Serve another revision: its labels are those of now, with its name before each."""
        labels = tuple(f"{revision} {label}" for label in DESCRIPTION.labels)
        self.description = replace(self.description, revision=revision, labels=labels)

    def switch_geometry(self, edge: int, revision: str = "resized") -> None:
        """Serve another revision, whose pixels are `edge` high and wide."""
        self.switch_revision(revision)
        geometry = replace(self.description.geometry, size=(edge, edge), resize=(edge, edge))
        self.description = replace(self.description, geometry=geometry)

    async def wait_for_groups(self, count: int) -> None:
        """Wait until `count` groups have been sent, ten seconds at most."""
        async with asyncio.timeout(10):
            while len(self.groups) < count:  # noqa: ASYNC110 - an Event would know one count only
                await asyncio.sleep(0.001)

    async def _wait(self) -> None:
        """Hang while told to; then raise what it was told to."""
        await self._free.wait()
        if self._error is not None:
            raise self._error

    def _score(self, group: Group) -> Logits:
        """Logits `[n, labels]`: minus the distance between brightness and a label's position."""
        brightness = group.pixels.mean(axis=(1, 2, 3)) / 255
        positions = np.linspace(0, 1, len(self.description.labels))
        distance = np.abs(brightness[:, None] - positions[None, :])
        return np.asarray(-self.scale * distance, dtype=np.float32)
