"""The names of a job's files in its folder."""

from app.scoring.folder import OWN

JOB, REPORT, SUMMARY = f"{OWN}/job.json", "report.html", "summary.json"
ROWS = "rows"
"""Folder of it that other programs read as one table."""

MANIFESTS, SUMMARIES = f"{OWN}/manifest", f"{OWN}/summaries"


def name_manifest(part: int) -> str:
    """Name the list of a part's samples."""
    return f"{MANIFESTS}/{part:06d}.parquet"


def name_summary(part: int) -> str:
    """Name the summary of a part; the part is done when it is there."""
    return f"{SUMMARIES}/{part:06d}.json"


def name_part(part: int, suffix: str) -> str:
    """Name the rows of a part."""
    return f"{ROWS}/part-{part:06d}.{suffix}"
