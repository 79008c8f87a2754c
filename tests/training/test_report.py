"""The report of a run: what it shares with that of an evaluation, and what it has of its own."""

import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np

from app.classifier.checkpoint.files import open_checkpoint
from app.classifier.engines.selection import EngineOptions
from app.classifier.model import Model
from app.datasets.labelled import LabelledDataset
from app.datasets.sample import Sample
from app.limits import derive_limits
from app.offline.evaluate import Evaluation
from app.offline.evaluation_report import make_report
from app.settings import Settings
from app.training.judgement import Scores, judge_scores
from app.training.options import TuneOptions
from app.training.report import Findings, write_report
from app.training.run_folder import RunFolder
from app.training.survey import Survey, Unreadable
from tests.support.service import SAMPLES

LABELS = ("cat", "dog", "eel")
LIMITS = derive_limits(Settings(model="bundled"))
METRICS = {"epoch": 1, "train_loss": 1.0, "loss": 0.5, "accuracy": 0.9}


def make_scores() -> Scores:
    """Make scores of the bundled samples, of which some are wrong."""
    paths = sorted(SAMPLES.glob("*.png"))
    ids = np.arange(len(paths)) % len(LABELS)
    logits = np.random.default_rng(0).normal(0, 1, (len(paths), 3)).astype(np.float32)
    logits[np.arange(len(paths)), ids] += 1
    samples = [Sample(str(one), str(one), label=LABELS[at % 3]) for at, one in enumerate(paths)]
    return Scores(samples, ids, logits)


def find_titles(text: str) -> list[str]:
    """Find the titles of the sections."""
    return re.findall(r"<h2[^>]*>([^<]*)</h2>", text)


def write(tmp_path: Path, scores: Scores) -> str:
    """Write the report of a run."""
    options = TuneOptions("animals", tmp_path / "run")
    dataset = LabelledDataset(LABELS, tuple(scores.samples), tuple(scores.samples))
    folder = RunFolder(options, dataset)
    folder.create()
    folder.metrics.write_text(json.dumps(METRICS) + "\n")
    gone = Unreadable(replace(scores.samples[0], path="gone.png"), "Invalid request: gone")
    survey = Survey((901, 902, 903), len(scores.samples), (gone,), ())
    findings = Findings(survey, judge_scores(scores, LABELS), (), LABELS)
    return write_report(folder, options, findings, LIMITS).read_text("utf-8")


def test_a_run_and_an_evaluation_show_the_same_of_the_same_predictions(tmp_path: Path) -> None:
    """Metrics by label, confusions and calibration, in the same order and words."""
    scores = make_scores()
    judged = judge_scores(scores, LABELS)
    model = Model(open_checkpoint("bundled"), EngineOptions("cpu", "torch"))
    theirs = make_report(
        Evaluation(
            dataset="animals",
            decode="exact",
            description=replace(model.description, labels=LABELS),
            metrics=judged.metrics,
            calibration=judged.calibration,
            samples=scores.samples,
            logits=scores.logits,
            failed=[],
            seconds=1.0,
        ),
        LIMITS,
        None,
    )
    shared = ["Confusions", "Are scores probabilities?", "Best scores", "Labels", "Surest mistakes"]
    sections = []
    for text in (write(tmp_path, scores), theirs.render()):
        assert [one for one in find_titles(text) if one in shared] == shared
        wanted = text[text.index("Confusions") : text.index(">Labels<")]
        sections.append(re.sub(r"section-\d+", "", wanted))
    assert sections[0] == sections[1]


def test_a_run_shows_its_curves_and_what_it_was_trained_on(tmp_path: Path) -> None:
    """Beside each label, the images that it was learned from; and what was left out."""
    text = write(tmp_path, make_scores())
    assert {"Loss", "Accuracy", "Images that were left out"} <= set(find_titles(text))
    assert "gone.png" in text
    assert all(str(count) in text for count in (901, 902, 903))
    assert str(901 + 902 + 903) in text
