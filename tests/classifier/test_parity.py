"""Answers equal those of transformers' own pipeline on the same checkpoint."""

import asyncio
from pathlib import Path

import pytest
from PIL import Image
from transformers import AutoImageProcessor, AutoModelForImageClassification, pipeline

from app.classifier.checkpoint.files import BUNDLED, open_checkpoint
from app.classifier.engines.selection import EngineOptions
from app.limits import Limits
from app.offline.local_backend import LocalBackend
from app.prediction.predictor import Predictor
from schemas import PredictOptions
from tests.support.checkpoints import save_vit
from tests.support.pictures import make_pictures

Scores = dict[str, float]

LIMITS = Limits(
    max_bytes=10**7, max_pixels=10**8, max_queue=64, timeout_s=60.0, batch_size=8, readers=2
)

pytestmark = pytest.mark.filterwarnings("ignore:Palette images with Transparency:UserWarning")


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Thirty varied pictures."""
    return make_pictures(tmp_path_factory.mktemp("pictures"))


def classify(folder: Path, pictures: list[Path]) -> list[Scores]:
    """Classify through the core and a model in this process."""

    async def run() -> list[Scores]:
        checkpoint = open_checkpoint(str(folder))
        predictor = Predictor(LocalBackend(checkpoint, EngineOptions("cpu")), LIMITS)
        options = PredictOptions(top_k=len(checkpoint.labels))
        calls = (predictor.classify(path.read_bytes(), options) for path in pictures)
        answers = await asyncio.gather(*calls)
        return [{p.label: p.score for p in one.response.predictions} for one in answers]

    return asyncio.run(run())


def classify_by_pipeline(folder: Path, pictures: list[Path]) -> list[Scores]:
    """Classify with transformers alone."""
    classifier = pipeline(
        "image-classification",
        model=AutoModelForImageClassification.from_pretrained(folder),
        image_processor=AutoImageProcessor.from_pretrained(folder, backend="pil"),
        device="cpu",
    )
    labels = len(open_checkpoint(str(folder)).labels)
    scores: list[Scores] = []
    for path in pictures:
        with Image.open(path) as image:
            answer = classifier(image, top_k=labels)
        scores.append({row["label"]: row["score"] for row in answer})
    return scores


def check_parity(folder: Path, pictures: list[Path]) -> None:
    """Check all labels of all pictures, and that the pictures do differ in score."""
    ours, theirs = classify(folder, pictures), classify_by_pipeline(folder, pictures)
    for path, mine, reference in zip(pictures, ours, theirs, strict=True):
        assert mine == pytest.approx(reference, abs=1e-5, rel=0), path.name
    first = next(iter(theirs[0]))
    scores = [answer[first] for answer in theirs]
    assert max(scores) - min(scores) > 0.01


def test_there_are_thirty_pictures(pictures: list[Path]) -> None:
    """The parity below is over thirty pictures."""
    assert len(pictures) == 30


@pytest.mark.parametrize("name", ["vit", "deit", "deit_with_teacher", "convnext", "beit"])
def test_scores_equal_the_pipeline(
    name: str, pictures: list[Path], request: pytest.FixtureRequest
) -> None:
    """Each tested architecture scores as transformers' pipeline does, to 1e-5."""
    check_parity(request.getfixturevalue(name), pictures)


def test_the_bundled_checkpoint_equals_the_pipeline(pictures: list[Path]) -> None:
    """The bundled checkpoint scores as transformers' pipeline does, to 1e-5."""
    check_parity(BUNDLED, pictures)


@pytest.mark.parametrize(
    ("labels", "problem"),
    [
        (("ant", "bee", "cat"), "multi_label_classification"),
        (("ant", "bee", "cat"), "single_label_classification"),
        (("only",), None),
    ],
)
def test_the_kind_of_problem_decides_the_activation(
    labels: tuple[str, ...], problem: str | None, pictures: list[Path], tmp_path: Path
) -> None:
    """Many labels at once and a lone label get a sigmoid each, as in the pipeline."""
    check_parity(save_vit(tmp_path / "vit", labels, problem), pictures)
