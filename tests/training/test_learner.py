"""The network that learns, without Ray."""

import math
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
import torch
from torch import nn

from app.training.augmentation import build_augmentation
from app.training.learner import Batch, Learner
from app.training.options import TuneOptions
from app.training.recipe import make_recipe


class Tiny(nn.Module):
    """A network of pixels `[n, 4, 4, 3]` to two logits."""

    def __init__(self) -> None:
        super().__init__()
        self.blocks = nn.ModuleList([nn.Linear(48, 8), nn.Linear(8, 8)])
        self.body = nn.Sequential(self.blocks, nn.LayerNorm(8))
        self.head = nn.Linear(8, 2)

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        """Run."""
        values = pixels.float().flatten(1) / 255
        for block in self.blocks:
            values = torch.relu(block(values))
        logits: torch.Tensor = self.head(self.body[1](values))
        return logits


def make_batches(count: int = 4) -> list[Batch]:
    """Make batches of dark pictures, label 0, and light ones, label 1."""
    torch.manual_seed(1)
    labels = torch.arange(8) % 2
    light = labels[:, None, None, None] * 120
    return [((torch.rand(8, 4, 4, 3) * 100 + light).byte(), labels) for _ in range(count)]


def make_learner(counts: Sequence[int] = (16, 16), /, **changes: object) -> Learner:
    """Make a learner with seeded weights, for a dataset with `counts` images of each label."""
    torch.manual_seed(0)
    given = {"epochs": 20, "batch_size": 8, "rate": 0.01, "augment": "none"} | changes
    options = TuneOptions("data", Path("run"), **given)  # type: ignore[arg-type]
    augment = build_augmentation(options.augment, (4, 4))
    return Learner(Tiny(), augment, make_recipe(options, list(counts)), torch.device("cpu"))


def list_weights(learner: Learner) -> list[torch.Tensor]:
    """List the weights that would be kept."""
    return [one.detach().clone() for one in learner.unwrapped_network.parameters()]


@pytest.mark.parametrize("changes", [{}, {"accumulate": 3}, {"smoothing": 0.1}])
def test_it_learns(changes: dict[str, object]) -> None:
    """Dark and light pictures are told apart after some epochs."""
    learner = make_learner(**changes)
    batches = make_batches()
    for _ in range(20):
        learner.run_epoch(batches)
    sums = learner.evaluate(batches)
    assert (sums.right, sums.images) == (32, 32)


@pytest.mark.parametrize("changes", [{}, {"class_weights": True}, {"smoothing": 0.1}])
@pytest.mark.parametrize("accumulate", [3, 8])
def test_parts_of_a_step_give_the_gradient_of_the_whole(
    changes: dict[str, object], accumulate: int
) -> None:
    """Accumulation changes memory and time, and nothing else: even with one image a part."""
    whole = make_learner((2, 30), **changes)
    parts = make_learner((2, 30), accumulate=accumulate, **changes)
    losses = [learner.run_epoch(make_batches(2)).loss for learner in (whole, parts)]
    assert losses[0] == pytest.approx(losses[1])
    for one, other in zip(list_weights(whole), list_weights(parts), strict=True):
        torch.testing.assert_close(one, other)


@pytest.mark.parametrize("changes", [{"class_weights": True}, {"smoothing": 0.1}])
def test_an_option_changes_what_is_learned(changes: dict[str, object]) -> None:
    """The weights that are kept after two steps are not those of a run without it."""
    plain, other = make_learner((2, 30)), make_learner((2, 30), **changes)
    for learner in (plain, other):
        learner.run_epoch(make_batches(2))
    pairs = zip(list_weights(plain), list_weights(other), strict=True)
    assert not all(torch.equal(*pair) for pair in pairs)


def test_a_weight_counts_in_a_batch_of_one_label() -> None:
    """An image weighs by its label, whichever images are beside it."""
    weighted, plain = make_learner((2, 30), class_weights=True), make_learner((2, 30))
    pixels, labels = make_batches(1)[0]
    rare = [(pixels[labels == 0], labels[labels == 0])]
    assert weighted.run_epoch(rare).loss == pytest.approx(plain.run_epoch(rare).loss * 32 / 2 / 2)


class MixedLearner(Learner):
    """Computes in bfloat16 on a CPU, as every learner does on a GPU."""

    def _mixed(self) -> torch.autocast:
        """Compute in bfloat16."""
        return torch.autocast("cpu", torch.bfloat16)


def test_pixels_are_varied_in_float32() -> None:
    """Only the network computes in bfloat16, in which a place in an image is half a pixel off."""
    dtypes: list[torch.dtype] = []

    class Spy(Tiny):
        def forward(self, pixels: torch.Tensor) -> torch.Tensor:
            logits = super().forward(pixels)
            dtypes.append(logits.dtype)
            return logits

    def turn(pixels: torch.Tensor) -> torch.Tensor:
        product = torch.eye(4) @ pixels.float()
        dtypes.append(product.dtype)
        return product

    recipe = make_recipe(TuneOptions("data", Path("run"), batch_size=8), [16, 16])
    MixedLearner(Spy(), turn, recipe, torch.device("cpu")).run_epoch(make_batches(1))
    assert dtypes == [torch.float32, torch.bfloat16]


def test_it_goes_on_as_if_it_had_not_stopped() -> None:
    """A run that was saved and loaded has the weights of one that was not."""
    through, first, second = (make_learner() for _ in range(3))
    batches = make_batches()
    first.run_epoch(batches)
    second.load(first.save())
    second.run_epoch(batches)
    for _ in range(2):
        through.run_epoch(batches)
    assert second.rate == through.rate
    for one, other in zip(list_weights(second), list_weights(through), strict=True):
        assert torch.equal(one, other)


def test_a_loss_that_is_not_finite_is_told() -> None:
    """The sum of an epoch shows the first loss that is none."""
    learner = make_learner(rate=1e30)
    losses = [learner.run_epoch(make_batches()).loss for _ in range(3)]
    assert not math.isfinite(losses[-1])


@pytest.fixture
def one_worker(tmp_path: Path) -> Iterator[None]:
    """A process group of this process alone."""
    meeting = f"file://{tmp_path / 'meeting'}"
    torch.distributed.init_process_group("gloo", init_method=meeting, rank=0, world_size=1)
    yield
    torch.distributed.destroy_process_group()


@pytest.mark.usefixtures("one_worker")
def test_a_shared_network_takes_all_steps_even_where_the_loss_is_not_finite() -> None:
    """A worker that stopped alone would leave the others waiting for its gradients."""
    recipe = make_recipe(TuneOptions("data", Path("run"), rate=1e30, batch_size=8), [16, 16])
    augment = build_augmentation("none", (4, 4))
    shared = nn.parallel.DistributedDataParallel(Tiny())
    learner = Learner(shared, augment, recipe, torch.device("cpu"))
    sums = [learner.run_epoch(make_batches()) for _ in range(3)]
    assert [one.images for one in sums] == [32, 32, 32]
    assert not math.isfinite(sums[-1].loss)
