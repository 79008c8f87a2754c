"""Results: one JSON object a run, kept in bench/results."""

import json
from datetime import UTC, datetime

from bench.compare.summary import Document
from bench.kit.servers import ROOT

RESULTS = ROOT / "bench" / "results"
DOCS = ROOT / "docs"


def save(document: Document, run: str) -> None:
    """Keep the document in bench/results and print it as the last line."""
    RESULTS.mkdir(exist_ok=True)
    name = f"{datetime.now(UTC):%Y-%m-%d}-{run}.json"
    (RESULTS / name).write_text(json.dumps(document, indent=1) + "\n")
    print(f"\nkept in bench/results/{name}")
    print(json.dumps(document))
