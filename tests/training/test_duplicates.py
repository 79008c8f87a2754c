"""Near-duplicates between training and held-out images."""

import numpy as np
from PIL import Image, ImageEnhance

from app.training.duplicates import Hashes, Thumbnails, find_duplicates, hash_image


def draw(seed: int) -> Image.Image:
    """Draw a picture of random blocks."""
    blocks = np.random.default_rng(seed).integers(0, 256, (6, 6, 3), dtype=np.uint8)
    return Image.fromarray(blocks).resize((96, 96), Image.Resampling.BICUBIC)


def hash_all(images: list[Image.Image]) -> tuple[Hashes, Thumbnails]:
    """Hash images."""
    hashes, thumbnails = zip(*map(hash_image, images), strict=True)
    return np.array(hashes, np.uint64), np.stack(thumbnails)


def test_a_copy_of_another_size_and_a_little_lighter_is_found() -> None:
    """What differs in size and slightly in brightness is the same picture."""
    copy = ImageEnhance.Brightness(draw(3).resize((80, 80))).enhance(1.01)
    pairs = find_duplicates(hash_all([draw(seed) for seed in range(10)]), hash_all([copy]))
    assert [(pair.train, pair.held_out) for pair in pairs] == [(3, 0)]


def test_different_pictures_are_no_duplicates() -> None:
    """Two hundred random pictures have no near-duplicates among each other."""
    train, held_out = ([draw(seed) for seed in part] for part in (range(150), range(150, 200)))
    assert find_duplicates(hash_all(train), hash_all(held_out)) == []


def test_blank_pictures_are_compared_by_their_grey() -> None:
    """Blank pictures have the same hash; only those of nearly the same grey are duplicates."""
    train = hash_all([Image.new("RGB", (50, 50), (grey,) * 3) for grey in (0, 100)])
    held_out = hash_all([Image.new("RGB", (50, 50), (grey,) * 3) for grey in (101, 200)])
    pairs = find_duplicates(train, held_out)
    assert [(pair.train, pair.held_out) for pair in pairs] == [(1, 0)]


def test_thousands_of_equal_hashes_are_compared_in_part() -> None:
    """A scanner's blank pages are found as duplicates without comparing each with each."""
    one, thumbnail = hash_image(Image.new("RGB", (8, 8)))
    many = np.full(20_000, one), np.broadcast_to(thumbnail, (20_000, len(thumbnail)))
    few = np.full(5, one), np.broadcast_to(thumbnail, (5, len(thumbnail)))
    assert len(find_duplicates(many, few)) == 5
