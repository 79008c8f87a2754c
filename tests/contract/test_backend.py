"""What every Backend promises, held against the fake one and the real one."""

import asyncio
import dataclasses
import pickle
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from app.backend import Backend, Description, Group, Scored
from app.classifier.checkpoint.files import open_checkpoint
from app.classifier.engines.selection import EngineOptions
from app.offline.local_backend import LocalBackend
from tests.support.fake_backend import FakeBackend

_BACKENDS: dict[str, Callable[[], Backend]] = {
    "fake": FakeBackend,
    "local": lambda: LocalBackend(open_checkpoint("bundled"), EngineOptions("cpu")),
}


@pytest.fixture(scope="module", params=_BACKENDS)
def backend(request: pytest.FixtureRequest) -> Backend:
    """Each Backend in turn, loaded once."""
    return _BACKENDS[request.param]()


@pytest.fixture(scope="module")
def description(backend: Backend) -> Description:
    """What the Backend says of itself."""
    return asyncio.run(backend.describe())


@pytest.mark.parametrize("kind", [Group, Scored])
def test_a_message_of_older_code_is_read(kind: type[Group] | type[Scored]) -> None:
    """A field that was added since has its default: in a rolling update both run."""
    fields = {field.name: None for field in dataclasses.fields(kind)}
    added = {"sender": "", "senders": 1}
    older = object.__new__(kind)
    vars(older).update({name: fields[name] for name in fields.keys() - added.keys()})
    read = pickle.loads(pickle.dumps(older))
    for name in fields.keys() & added.keys():
        assert getattr(read, name) == added[name]


def make_group(description: Description, count: int) -> Group:
    """Make a group of `count` noisy images that fits `description`."""
    shape = (count, *description.geometry.size, 3)
    pixels = np.random.default_rng(count).integers(0, 256, shape, dtype=np.uint8)
    return Group(pixels, description.revision, description.geometry)


def test_a_description_is_stable(backend: Backend, description: Description) -> None:
    """A backend that serves the same thing describes itself the same way."""
    assert asyncio.run(backend.describe()) == description


def test_a_description_is_complete(description: Description) -> None:
    """A description names the model, its revision, its labels and where it runs."""
    assert description.model_id
    assert description.revision
    assert description.device
    assert len(description.labels) == len(set(description.labels)) > 1


@pytest.mark.parametrize("count", [1, 3])
def test_logits_are_one_row_an_image(
    backend: Backend, description: Description, count: int
) -> None:
    """A group of n images gets float32 logits `[n, labels]`, all of them finite."""
    scored = asyncio.run(backend.predict(make_group(description, count)))
    assert scored.logits is not None
    assert scored.logits.shape == (count, len(description.labels))
    assert scored.logits.dtype == np.float32
    assert np.isfinite(scored.logits).all()
    assert scored.inference_ms >= 0


def test_rows_are_in_the_order_of_the_images(backend: Backend, description: Description) -> None:
    """The i-th row belongs to the i-th image."""
    group = make_group(description, 3)
    turned = replace(group, pixels=group.pixels[::-1].copy())
    one, other = (asyncio.run(backend.predict(g)).logits for g in (group, turned))
    assert one is not None
    assert other is not None
    np.testing.assert_allclose(one, other[::-1], rtol=1e-4, atol=1e-4)
    assert not np.allclose(one[0], one[2])


def test_the_known_revision_is_not_described_again(
    backend: Backend, description: Description
) -> None:
    """A group that names the revision which scores it gets no description."""
    scored = asyncio.run(backend.predict(make_group(description, 1)))
    assert scored.revision == description.revision
    assert scored.description is None


def test_a_foreign_revision_is_introduced(backend: Backend, description: Description) -> None:
    """A group read for another revision is scored, and told by whom."""
    group = replace(make_group(description, 1), revision="foreign")
    scored = asyncio.run(backend.predict(group))
    assert scored.description == description
    assert scored.revision == description.revision
    assert scored.logits is not None


def test_a_foreign_geometry_is_refused(backend: Backend, description: Description) -> None:
    """A group read with another geometry gets the description and no logits."""
    geometry = replace(description.geometry, size=(5, 7), resize=(5, 7))
    pixels = np.zeros((2, 5, 7, 3), np.uint8)
    scored = asyncio.run(backend.predict(Group(pixels, "foreign", geometry)))
    assert scored.logits is None
    assert scored.description == description


def test_a_backend_that_works_says_so(backend: Backend) -> None:
    """It is asked past whatever waits, and answers nothing when all is well."""
    asyncio.run(backend.check())


def test_a_check_beside_work_harms_nothing(backend: Backend, description: Description) -> None:
    """A model is asked whether it works while it scores, again and again."""

    async def scenario() -> None:
        groups = [make_group(description, 8) for _ in range(10)]
        together = [backend.predict(group) for group in groups]
        checks = [backend.check() for _ in range(10)]
        answers = await asyncio.gather(
            *(one for pair in zip(together, checks, strict=True) for one in pair)
        )
        assert all(scored is None or scored.logits is not None for scored in answers)

    asyncio.run(scenario())
