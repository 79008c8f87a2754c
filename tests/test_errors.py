"""The error tree."""

import pickle

import pytest

from app import errors
from app.errors import ProblemError, StartupError, VitrineError


def list_classes(root: type[VitrineError]) -> list[type[VitrineError]]:
    """List a class and all of ours below it; Ray makes some of them."""
    ours = [child for child in root.__subclasses__() if not child.__module__.startswith("ray.")]
    return [root, *(cls for child in ours for cls in list_classes(child))]


@pytest.mark.parametrize("error", list_classes(VitrineError), ids=lambda cls: cls.__name__)
def test_an_error_survives_the_way_between_processes(error: type[VitrineError]) -> None:
    """An error unpickles as what it was, with its message."""
    again = pickle.loads(pickle.dumps(error("the message")))
    assert type(again) is error
    assert str(again) == "the message"


def test_every_problem_has_a_row_of_its_own() -> None:
    """No two kinds of problem share a type, and each has a status and a title."""
    problems = [cls for cls in list_classes(ProblemError) if cls is not ProblemError]
    rows = {cls.type: (cls.status, cls.title) for cls in problems if issubclass(cls, ProblemError)}
    assert len(rows) == len(problems) == 13
    assert all(400 <= status < 600 and title for status, title in rows.values())


def test_the_drawn_tree_is_the_tree() -> None:
    """The module's docstring names every class, and no other."""
    drawn = {word for word in (errors.__doc__ or "").split() if word.endswith("Error")}
    assert drawn == {cls.__name__ for cls in list_classes(VitrineError)}
    assert issubclass(errors.CheckpointError, StartupError)
