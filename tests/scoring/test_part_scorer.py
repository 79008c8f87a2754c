"""What a process that scores refuses."""

import pytest

from app.errors import StartupError
from app.scoring.part_scorer import check_revision


def test_the_model_of_another_revision_is_refused() -> None:
    """Rows of two models are never mixed, though each process opens the checkpoint anew."""
    check_revision("abc", "abc")
    with pytest.raises(StartupError, match="revision def, and the job was begun with abc"):
        check_revision("def", "abc")
