"""What `vitrine tune` finds out before it starts Ray."""

from pathlib import Path

import pytest

from app.errors import SettingsError
from app.settings import Settings
from app.training.options import TuneOptions
from app.training.run_folder import METRICS
from app.training.tune import tune_model
from tests.support.tuning import write_colors


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"precision": "int8"}, "VITRINE_PRECISION=int8"),
        ({"precision": "fp16", "device": "cpu"}, "VITRINE_PRECISION=fp16 needs a GPU"),
    ],
)
def test_settings_that_cannot_judge_the_model_are_refused_first(
    settings: dict[str, str], words: str, tmp_path: Path
) -> None:
    """Not when all epochs have run: nothing was read or trained."""
    options = TuneOptions(str(write_colors(tmp_path / "data")), tmp_path / "run")
    said: list[str] = []
    with pytest.raises(SettingsError, match=words):
        tune_model(Settings.model_validate(settings), options, said.append)
    assert not (options.out / METRICS).exists()
    assert said == []
