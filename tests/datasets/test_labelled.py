"""Labelled folders: split and not, what is held out, and what is refused."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import pytest

from app.datasets.labelled import DatasetOptions, open_dataset, open_labelled
from app.datasets.sample import Sample
from app.errors import DatasetError
from tests.datasets.conftest import MakeImages

OPTIONS = DatasetOptions()


def name(samples: Sequence[Sample], root: Path) -> list[tuple[str, str | None]]:
    """Name samples by path and label."""
    return [(one.path.removeprefix(f"{root}/"), one.label) for one in samples]


def test_a_split_folder_is_taken_as_it_is(tmp_path: Path, make_images: MakeImages) -> None:
    """`train` is trained on; the first of the held-out folders is held out, at any depth."""
    make_images("train/cat/a.png", "train/dog/x/b.jpg", "val/dog/c.png", "test/cat/d.png")
    (tmp_path / "val" / "cat").mkdir()
    dataset = open_dataset(str(tmp_path), OPTIONS)
    assert dataset.labels == ("cat", "dog")
    assert name(dataset.train, tmp_path) == [
        ("train/cat/a.png", "cat"),
        ("train/dog/x/b.jpg", "dog"),
    ]
    assert name(dataset.held_out, tmp_path) == [("val/dog/c.png", "dog")]
    assert open_labelled(str(tmp_path), OPTIONS) == list(dataset.held_out)


def test_a_share_of_each_label_is_held_out_by_the_seed(
    tmp_path: Path, make_images: MakeImages
) -> None:
    """The same seed holds out the same; at least one of each label, and never all."""
    counts = {"a": 50, "b": 10, "c": 2, "d": 1}
    make_images(*(f"{label}/{one}.png" for label, count in counts.items() for one in range(count)))
    dataset = open_dataset(str(tmp_path), OPTIONS)
    assert Counter(one.label for one in dataset.held_out) == {"a": 10, "b": 2, "c": 1}
    assert {*dataset.train, *dataset.held_out} == set(open_labelled(str(tmp_path), OPTIONS))
    assert len(dataset.train) + len(dataset.held_out) == 63
    assert open_dataset(str(tmp_path), OPTIONS) == dataset
    assert open_dataset(str(tmp_path), DatasetOptions(seed=1)) != dataset
    assert open_dataset(str(tmp_path), DatasetOptions(holdout=0)).held_out == ()


def test_a_folder_to_train_on_alone_is_split(tmp_path: Path, make_images: MakeImages) -> None:
    """`train` without a held-out folder beside it gives its own."""
    make_images(*(f"train/{label}/{one}.png" for label in "ab" for one in range(5)))
    dataset = open_dataset(str(tmp_path), OPTIONS)
    assert (len(dataset.train), len(dataset.held_out)) == (8, 2)


def test_the_names_of_parts_may_have_capitals(tmp_path: Path, make_images: MakeImages) -> None:
    """`Train` and `Test` are no labels; a name in lower case comes first."""
    make_images("Train/cat/a.png", "Train/dog/a.png", "TEST/cat/b.png", "test/dog/c.png")
    dataset = open_dataset(str(tmp_path), OPTIONS)
    assert dataset.labels == ("cat", "dog")
    assert name(dataset.held_out, tmp_path) == [("test/dog/c.png", "dog")]


def test_a_label_may_be_named_train(tmp_path: Path, make_images: MakeImages) -> None:
    """A folder of images alone is a label, as in CIFAR-100, and not a part."""
    make_images(*(f"{label}/{one}.png" for label in ("train", "bus") for one in range(2)))
    assert open_dataset(str(tmp_path), OPTIONS).labels == ("bus", "train")


@pytest.mark.parametrize(
    ("labels", "expected"),
    [(["10", "9", "1"], ("1", "9", "10")), (["b10", "b9", "1"], ("1", "b10", "b9"))],
)
def test_labels_are_sorted_as_numbers_where_all_are(
    tmp_path: Path, make_images: MakeImages, labels: list[str], expected: tuple[str, ...]
) -> None:
    """The order of labels is the order of their ids."""
    make_images(*(f"{label}/a.png" for label in labels))
    assert open_dataset(str(tmp_path), OPTIONS).labels == expected


@pytest.mark.parametrize(
    ("names", "said"),
    [
        (["cat/a.png"], r"has 1 label \(cat\); at least 2 are needed to train"),
        (["a.png"], "has no folders; each is to hold the images of one label"),
        (["train/a.png", "val/a.png"], "train has no folders; each is to hold the images of one"),
        (["cat/a.png", "dog/a.txt"], "the label 'dog' of .* has no image. Add images"),
        (
            ["train/cat/a.png", "train/dog/a.png", "test/cow/a.png"],
            r"has 1 label \(cow\) that are held out alone",
        ),
    ],
)
def test_a_dataset_that_cannot_be_trained_on_is_refused(
    tmp_path: Path, make_images: MakeImages, names: list[str], said: str
) -> None:
    """One clear line, before anything starts."""
    make_images(*names)
    with pytest.raises(DatasetError, match=said):
        open_dataset(str(tmp_path), OPTIONS)


def test_images_without_a_label_are_counted(
    tmp_path: Path, make_images: MakeImages, caplog: pytest.LogCaptureFixture
) -> None:
    """An image beside the folders of labels is left out, and the log says so."""
    make_images("a.png", "cat/a.png", "dog/a.png")
    assert len(open_labelled(str(tmp_path), OPTIONS)) == 2
    assert "1 images right in" in caplog.text


def test_a_label_may_be_any_name(tmp_path: Path, make_images: MakeImages) -> None:
    """HTML, quotes and lines are text; a byte that is not UTF-8 is shown."""
    make_images("<b>'x\"\n/a.png", "caf\udce9/a.png")
    labels = open_dataset(str(tmp_path), OPTIONS).labels
    assert labels == ("<b>'x\"\n", "caf\\xe9")


def test_what_is_no_dataset_is_refused(tmp_path: Path, make_images: MakeImages) -> None:
    """An image and a path of nothing are named."""
    (path,) = make_images("a.png")
    with pytest.raises(DatasetError, match=r"is no dataset\. Give a folder of labels"):
        open_labelled(str(path), OPTIONS)
    with pytest.raises(DatasetError, match="none does not exist"):
        open_labelled(str(tmp_path / "none"), OPTIONS)
