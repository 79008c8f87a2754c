"""What is found in a dataset before training."""

import pytest

from app.datasets.labelled import LabelledDataset
from app.datasets.sample import Sample
from app.errors import DatasetError
from app.training.survey import (
    MAX_LABELS,
    Duplicates,
    Survey,
    Unreadable,
    check_labels,
    list_findings,
)

ONE = Sample("a/1.png", "a/1.png", -1, "a")


def test_a_hundred_thousand_labels_are_refused_before_anything_is_read() -> None:
    """A column of names of images is no column of labels, which the error says."""
    labels = tuple(map(str, range(100_000)))
    samples = tuple(Sample(one, one, -1, one) for one in labels)
    with pytest.raises(DatasetError, match=rf"100000 labels; at most {MAX_LABELS}"):
        check_labels(LabelledDataset(labels, samples, samples))


def test_nothing_held_out_is_refused() -> None:
    """Without held-out images nothing can be judged."""
    with pytest.raises(DatasetError, match="0 held out"):
        check_labels(LabelledDataset(("a", "b"), (ONE,), ()))


def test_findings_name_what_to_look_at() -> None:
    """Unreadable images by kind, near-duplicates in pairs, and labels with few images."""
    bad = Sample("a/\x1b[31mbad.png", "a/bad.png", -1, "a")
    unreadable = Unreadable(bad, "Undecodable image: x")
    survey = Survey((50, 3), 20, (unreadable,), (Duplicates(ONE, bad, 1),))
    text = "\n".join(list_findings(survey, ("a", "rare")))
    assert "53 images to train on, 20 held out" in text
    assert "2 labels: a, rare" in text
    assert "1 images are left out: 1 undecodable image" in text
    assert "a/1.png" in text
    assert "rare (3)" in text


def test_the_first_labels_are_named() -> None:
    """So that a folder that is no label is seen at once, however many labels there are."""
    survey = Survey((20,) * 7, 20, (), ())
    assert list(list_findings(survey, tuple("abcdefg"))) == [
        "140 images to train on, 20 held out",
        "7 labels: a, b, c, d, e, …",
    ]


def test_names_of_files_do_not_reach_the_terminal_as_they_are() -> None:
    """A name with an escape sequence changes no terminal."""
    bad = Sample("a/\x1b[31mbad.png", "a/bad.png", -1, "a")
    survey = Survey((50, 3), 20, (Unreadable(bad, "Bad: x"),), (Duplicates(bad, bad, 1),))
    assert "\x1b" not in "".join(list_findings(survey, ("a", "\x1b]0;title\x07")))
