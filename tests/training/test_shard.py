"""The part of a dataset that a worker trains on."""

from collections.abc import Iterator

import numpy as np
import pytest
import torch

from app.training.pixels import Columns
from app.training.shard import Every, Shard


class Blocks:
    """Twenty images whose pixels are their number, as Ray Data's iterator gives them."""

    def __init__(self) -> None:
        self.passes = 0

    def iter_batches(
        self,
        *,
        batch_size: int,
        batch_format: str,
        local_shuffle_buffer_size: int | None = None,
        local_shuffle_seed: int | None = None,
    ) -> Iterator[Columns]:
        """Iterate once."""
        assert batch_format == "numpy"
        self.passes += 1
        order = np.arange(20)
        if local_shuffle_buffer_size:
            order = np.random.default_rng(local_shuffle_seed).permutation(order)
        for start in range(0, 20, batch_size):
            some = order[start : start + batch_size]
            pixels = np.tile(some[:, None, None, None], (1, 2, 2, 3)).astype(np.uint8)
            yield {"pixels": pixels, "label_id": some}


def read(shard: Shard, seed: int | None) -> list[int]:
    """Read the numbers of a pass."""
    batches = list(shard.read(seed))
    assert max(len(labels) for _, labels in batches) == 6
    for pixels, labels in batches:
        assert torch.equal(pixels[:, 0, 0, 0].long(), labels)
    return [int(one) for _, labels in batches for one in labels]


@pytest.mark.parametrize(("most", "passes"), [(10**6, 1), (100, 4)])
def test_each_pass_has_every_image_once_in_the_order_of_its_seed(most: int, passes: int) -> None:
    """Kept or streamed: a seed gives one order, none the dataset's own."""
    blocks = Blocks()
    shard = Shard(blocks, 6, max_kept_bytes=most)
    first, again, other = (read(shard, seed) for seed in (1, 1, 2))
    assert first == again != other
    assert sorted(first) == sorted(other) == list(range(20))
    assert blocks.passes == passes
    assert read(shard, None) == list(range(20))


@pytest.mark.parametrize("most", [10**6, 30])
@pytest.mark.parametrize("workers", [1, 3, 32])
def test_workers_that_read_the_same_have_each_image_once(workers: int, most: int) -> None:
    """Twenty images, by three or more workers than images: none is lost, and none is met twice."""
    shards = [Shard(Blocks(), 6, Every(workers, rank), most) for rank in range(workers)]
    for _ in range(2):
        found = [[int(one) for _, labels in shard.read() for one in labels] for shard in shards]
        assert sorted(one for some in found for one in some) == list(range(20))
        assert max(map(len, found)) - min(map(len, found)) <= 1
