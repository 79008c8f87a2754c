"""What an evaluation found, as files: a report, metrics and predictions."""

import json
import tempfile
from collections.abc import Iterator
from pathlib import Path

from app.errors import SettingsError
from app.evaluation.metrics import score_all
from app.evaluation.report import Report
from app.hostile_text import clean_text
from app.offline.evaluate import Evaluation
from app.offline.evaluation_table import count_problems

REPORT, METRICS, PREDICTIONS = "report.html", "metrics.json", "predictions.jsonl"


def check_out(out: Path) -> None:
    """Refuse a folder that exists, before anything is scored; raises SettingsError."""
    if out.exists():
        raise SettingsError(f"{out} exists already. Give --out a folder that does not exist yet.")


def write_evaluation(found: Evaluation, report: Report, out: Path) -> None:
    """Write all files to a new folder; it is there with all of them, or not at all.

    Raises:
        SettingsError: it cannot be written.
    """
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=out.parent, prefix=".evaluate-") as folder:
            made = Path(folder) / "made"
            made.mkdir()
            report.write(made / REPORT)
            text = json.dumps(list_metrics(found), indent=1)
            (made / METRICS).write_text(f"{text}\n", "utf-8")
            with (made / PREDICTIONS).open("w", encoding="utf-8") as file:
                file.writelines(f"{json.dumps(row)}\n" for row in list_predictions(found))
            made.rename(out)
    except OSError as exc:
        message = f"{out} cannot be written: {exc.strerror}. Give another --out."
        raise SettingsError(message) from exc


def list_metrics(found: Evaluation) -> dict[str, object]:
    """List all metrics, by names that stay; shares are 0 to 1."""
    metrics, model, calibration = found.metrics, found.description, found.calibration
    return {
        "dataset": clean_text(found.dataset),
        "model": model.model_id,
        "revision": model.revision,
        "engine": model.engine,
        "device": model.device,
        "decode": found.decode,
        "images": len(found.samples),
        "problems": dict(count_problems(found)),
        "accuracy": metrics.accuracy,
        "top5": metrics.top5,
        "macro_precision": metrics.macro_precision,
        "macro_recall": metrics.macro_recall,
        "macro_f1": metrics.macro_f1,
        "loss": metrics.loss,
        "ece": None if calibration is None else calibration.ece_before,
        "temperature": None if calibration is None else calibration.temperature,
        "ece_with_temperature": None if calibration is None else calibration.ece_after,
        "seconds": found.seconds,
        "images_per_s": found.rate,
        "labels": [
            {
                "label": one.label,
                "label_id": label_id,
                "images": one.support,
                "predicted": one.predicted,
                "precision": one.precision,
                "recall": one.recall,
                "f1": one.f1,
            }
            for label_id, one in enumerate(metrics.labels)
        ],
        "confusions": [
            {"label": model.labels[true], "predicted": model.labels[predicted], "images": count}
            for true, predicted, count in metrics.list_confusions(len(found.samples))
        ],
    }


def list_predictions(found: Evaluation) -> Iterator[dict[str, object]]:
    """List the prediction of each sample, then those that have none, with why."""
    metrics, labels = found.metrics, found.description.labels
    pairs = zip(metrics.label_ids.tolist(), metrics.predicted_ids.tolist(), strict=True)
    for place, (sample, (label_id, predicted_id)) in enumerate(
        zip(found.samples, pairs, strict=True)
    ):
        scores = score_all(found.logits[place : place + 1], found.description.activation)[0]
        yield {
            "path": sample.path,
            "label": labels[label_id],
            "label_id": label_id,
            "predicted": labels[predicted_id],
            "predicted_id": predicted_id,
            "score": float(scores[predicted_id]),
            "label_score": float(scores[label_id]),
        }
    for sample, problem in found.failed:
        about = {"type": problem.type, "title": problem.title, "detail": problem.detail}
        yield {"path": sample.path, "label": sample.label, "problem": about}
