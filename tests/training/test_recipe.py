"""The numbers of training that follow from the options and the dataset."""

from pathlib import Path

import pytest

from app.errors import SettingsError
from app.training.options import TuneOptions
from app.training.recipe import make_recipe, weigh_labels


def make_options(**changes: object) -> TuneOptions:
    """Make options."""
    return TuneOptions("data", Path("run"), **changes)  # type: ignore[arg-type]


def test_steps_cover_all_images_in_every_epoch() -> None:
    """The last batch of an epoch may be smaller, and counts as a step."""
    recipe = make_recipe(make_options(epochs=3, batch_size=32), [50, 51])
    assert (recipe.batch_size, recipe.steps) == (32, 12)


def test_a_batch_is_never_larger_than_the_dataset() -> None:
    """Five images are a batch of five."""
    assert make_recipe(make_options(), [2, 3]).batch_size == 5


def test_workers_share_a_batch() -> None:
    """Four workers have a quarter of the batch and of the images each."""
    recipe = make_recipe(make_options(workers=4, batch_size=64, epochs=1), [400, 400])
    assert (recipe.batch_size, recipe.steps) == (16, 13)


def test_more_workers_than_images_are_refused() -> None:
    """A worker without an image would have no step to take."""
    assert make_recipe(make_options(workers=3), [2, 1]).batch_size == 1
    with pytest.raises(SettingsError, match="--workers 4 is more than the 3 images"):
        make_recipe(make_options(workers=4), [2, 1])


def test_each_label_has_the_same_part_in_the_loss() -> None:
    """A weight times the number of images is the same for all labels; the mean weight is 1."""
    counts = [10, 30, 60]
    parts = [weight * count for weight, count in zip(weigh_labels(counts), counts, strict=True)]
    assert parts == pytest.approx([parts[0]] * 3)
    assert sum(parts) / sum(counts) == pytest.approx(1)


def test_a_base_learns_more_slowly_than_a_new_model() -> None:
    """The default learning rate is lower where there is something to forget."""
    assert make_options(base="some").peak_rate < make_options().peak_rate
    assert make_options(base="some", rate=0.5).peak_rate == 0.5
