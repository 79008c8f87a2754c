"""The bundled checkpoint keeps what its card says, measured through the whole path of a request."""

import asyncio
import re
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from app.classifier.checkpoint.files import BUNDLED, open_checkpoint
from app.classifier.engines.selection import EngineOptions
from app.limits import Limits
from app.offline.local_backend import LocalBackend
from app.prediction.predictor import Predictor
from schemas import Prediction, PredictOptions
from tools.train_digits.digits import Split, digit_png, split_digits

SAMPLES = BUNDLED.parent / "samples"
LIMITS = Limits(max_bytes=10**6, max_pixels=10**6, max_queue=1000, timeout_s=120.0, batch_size=64)


@pytest.fixture(scope="module")
def split() -> Split:
    """The split that the checkpoint was trained with."""
    return split_digits()


@pytest.fixture(scope="module")
def accuracy(split: Split) -> float:
    """The share of held-out digits that are named right."""
    best = classify([digit_png(digit) for digit in split.test_digits])
    named = np.array([prediction.label_id for prediction in best])
    return float((named == split.test_labels).mean())


def classify(images: list[bytes]) -> list[Prediction]:
    """Classify images with the bundled checkpoint; gives the best prediction of each."""

    async def run() -> list[Prediction]:
        predictor = Predictor(
            LocalBackend(open_checkpoint("bundled"), EngineOptions("cpu")), LIMITS
        )
        options = PredictOptions(top_k=1)
        answers = await asyncio.gather(*(predictor.classify(one, options) for one in images))
        return [answer.response.predictions[0] for answer in answers]

    return asyncio.run(run())


def read_image(data: bytes) -> NDArray[np.uint8]:
    """Read the pixels of an image `[height, width, 3]`."""
    with Image.open(BytesIO(data)) as image:
        return np.asarray(image)


def list_samples() -> list[Path]:
    """List the samples, by label and index."""
    return sorted(SAMPLES.glob("*.png"))


def test_a_fifth_is_held_out(split: Split) -> None:
    """360 of the 1797 digits are held out, all ten among them, and no digit is in both parts."""
    assert (len(split.train_digits), len(split.test_digits)) == (1437, 360)
    assert set(split.test_labels) == set(range(10))
    trained = {digit.tobytes() for digit in split.train_digits}
    assert not any(digit.tobytes() in trained for digit in split.test_digits)


def test_the_held_out_fifth_is_named_right(accuracy: float) -> None:
    """At least 98 of 100 held-out digits get their name, as PNG through decoder and processor."""
    assert accuracy >= 0.98


def test_the_card_tells_the_measured_accuracy(accuracy: float) -> None:
    """The model card's accuracy is what is measured here, up to one digit of the 360."""
    told = re.search(r"held-out fifth:\*\* (\d\.\d+)", (BUNDLED / "README.md").read_text())
    assert told is not None
    assert float(told.group(1)) == pytest.approx(accuracy, abs=1.5 / 360)


def test_the_checkpoint_is_small_and_tidy() -> None:
    """Four files, with less than a megabyte of weights, as safetensors."""
    names = {path.name for path in BUNDLED.iterdir()}
    assert names == {"README.md", "config.json", "model.safetensors", "preprocessor_config.json"}
    assert (BUNDLED / "model.safetensors").stat().st_size <= 10**6


def test_there_are_two_samples_of_each_digit() -> None:
    """Samples are called label-index.png."""
    expected = [f"{label}-{index}.png" for label in range(10) for index in range(2)]
    assert [path.name for path in list_samples()] == expected


def test_the_samples_are_named_right_and_surely() -> None:
    """Samples are the first held-out digits of each class; all 20 are right, above 0.9."""
    samples = list_samples()
    best = classify([path.read_bytes() for path in samples])
    right = [
        one.score for one, path in zip(best, samples, strict=True) if one.label == path.name[0]
    ]
    assert len(right) == 20
    assert min(right) > 0.9


def test_each_sample_is_held_out(split: Split) -> None:
    """No sample was trained on: each is a digit of the held-out fifth, with its label."""
    held_out = {
        read_image(digit_png(digit)).tobytes(): label
        for digit, label in zip(split.test_digits, split.test_labels, strict=True)
    }
    for path in list_samples():
        assert held_out[read_image(path.read_bytes()).tobytes()] == int(path.name[0])
