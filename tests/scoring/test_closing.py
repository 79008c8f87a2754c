"""What is told when a job is complete."""

import io
import json
from pathlib import Path

import pytest
from rich.console import Console

from app.classifier.checkpoint.files import open_checkpoint
from app.datasets.sample import Sample
from app.errors import UndecodableImageError
from app.offline.bulk_scorer import ScoredSample
from app.scoring.closing import encode_summary, list_figures, print_summary
from app.scoring.folder import OutputFolder
from app.scoring.job import Job
from app.scoring.summary import summarize

HOSTILE = "a\x1b[2J\u202eb.jpg"


def test_names_and_labels_do_not_command_the_terminal(tmp_path: Path) -> None:
    """Neither of a slow file nor of a broken one nor of a label."""
    sample = Sample(HOSTILE, HOSTILE)
    problem = UndecodableImageError(f"{HOSTILE} is corrupt.")
    summary = summarize(
        [
            (ScoredSample(sample, problem, seconds=1.0), {"path": HOSTILE}),
            (ScoredSample(sample), {"path": HOSTILE, "label": HOSTILE, "score": 0.5}),
        ]
    )
    shown = io.StringIO()
    job = Job(OutputFolder(str(tmp_path)), 2, [], summary, "1")
    print_summary(Console(file=shown, width=200), job, 1.0, 0.0)
    assert shown.getvalue().count("a\ufffd[2J\ufffdb.jpg") == 5
    assert not {"\x1b", "\u202e"} & set(shown.getvalue())


@pytest.mark.parametrize(("rate", "told"), [(0.0, None), (1234.567, 1234.57)])
def test_a_job_that_was_too_short_tells_no_speed(rate: float, told: float | None) -> None:
    """Neither the report nor the summary has a number that was not measured."""
    checkpoint = open_checkpoint("bundled")
    summary = summarize(
        [(ScoredSample(Sample("a", "a")), {"path": "a", "label": "7", "score": 1.0})]
    )
    assert json.loads(encode_summary(summary, checkpoint, rate))["files_per_second"] == told
    shown = {one.name: one.value for one in list_figures(summary, checkpoint, rate)}
    assert shown.get("files/s") == ("1,235" if told else None)
