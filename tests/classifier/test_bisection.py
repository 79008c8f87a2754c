"""Bisection: of a batch that fails, only the images that cause it are refused."""

from collections.abc import Callable

import numpy as np
import pytest

from app.backend import Logits, Pixels
from app.classifier.bisection import bisect
from app.errors import ModelUnavailableError

LABELS = 3


class Device:
    """A device that fails as `fails` says; the logits of an image echo its first value.

    Attributes:
        sizes: of all batches that it was given.
    """

    def __init__(self, fails: Callable[[Pixels], Exception | None]) -> None:
        self._fails = fails
        self.sizes: list[int] = []

    def run(self, pixels: Pixels) -> Logits:
        """Run a batch, or fail."""
        self.sizes.append(len(pixels))
        if error := self._fails(pixels):
            raise error
        return np.repeat(pixels[:, :1].astype(np.float32), LABELS, axis=1)


def make_pixels(count: int) -> Pixels:
    """Make images `[count, 1]` with the values 1 to `count`."""
    return np.arange(1, count + 1, dtype=np.uint8)[:, None]


def fail_on(*faulty: int) -> Callable[[Pixels], Exception | None]:
    """Fail every batch with one of these images."""
    return lambda pixels: RuntimeError("bad") if np.isin(pixels, faulty).any() else None


def fail_above(most: int) -> Callable[[Pixels], Exception | None]:
    """Have no memory for more than `most` images."""
    return lambda pixels: MemoryError() if len(pixels) > most else None


def test_a_good_batch_is_run_once() -> None:
    """Nothing is split without need."""
    device = Device(fail_on())
    logits = bisect(device.run, make_pixels(8))
    np.testing.assert_array_equal(logits[:, 0], np.arange(1, 9))
    assert device.sizes == [8]


@pytest.mark.parametrize("faulty", [(1,), (5,), (8,), (2, 7), tuple(range(1, 9))])
def test_only_the_faulty_fail(faulty: tuple[int, ...]) -> None:
    """The others get their own logits, in their order; the faulty ones get NaN."""
    logits = bisect(Device(fail_on(*faulty)).run, make_pixels(8))
    expected = [float("nan") if image in faulty else image for image in range(1, 9)]
    for column in range(LABELS):
        np.testing.assert_array_equal(logits[:, column], expected)


def test_a_batch_that_does_not_fit_into_memory_is_run_in_parts() -> None:
    """No image fails for it."""
    device = Device(fail_above(3))
    np.testing.assert_array_equal(bisect(device.run, make_pixels(8))[:, 0], np.arange(1, 9))
    assert [size for size in device.sizes if size > 1] == [8, 4, 2, 2, 4, 2, 2]


def test_a_device_that_fails_on_a_blank_image_is_lost() -> None:
    """It is not blamed on the images, and not tried image by image."""
    device = Device(lambda _: RuntimeError("the device is gone"))
    with pytest.raises(ModelUnavailableError, match="device"):
        bisect(device.run, make_pixels(8))
    assert device.sizes == [8, 1]
