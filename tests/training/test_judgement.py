"""How a checkpoint is judged."""

import numpy as np
import pytest

from app.errors import StartupError
from app.training.judgement import Scores, judge_scores


def test_a_model_that_scores_nothing_is_one_line() -> None:
    """Outputs that are not finite are no scores; there is nothing to judge then."""
    nothing = Scores([], np.zeros(0, np.int64), np.zeros((0, 2), np.float32))
    with pytest.raises(StartupError, match="No held-out image can be scored"):
        judge_scores(nothing, ("cat", "dog"))
