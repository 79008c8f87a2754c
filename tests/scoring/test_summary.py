"""The summary of a job, merged from those of its parts."""

from app.datasets.sample import Sample
from app.errors import UndecodableImageError
from app.offline.bulk_scorer import ScoredSample
from app.scoring.rows import Row
from app.scoring.summary import BINS, PICTURES, Summary, decode_summary, summarize

Scored = tuple[ScoredSample, Row]


def make_scored(number: int) -> Scored:
    """Make an image, every tenth with a problem, and its row."""
    sample = Sample(f"/{number:03}", f"/{number:03}")
    row: Row = {"path": sample.path, "label": str(number % 3), "score": number / 1000}
    problem = UndecodableImageError("It is corrupt.") if number % 10 == 0 else None
    return ScoredSample(sample, problem, seconds=number / 10), row


def test_merged_parts_are_the_summary_of_all() -> None:
    """It does not matter how a job is cut into parts."""
    images = [make_scored(number) for number in range(300)]
    merged = Summary()
    for start in range(0, 300, 70):
        part = decode_summary(summarize(images[start : start + 70]).encode())
        merged.merge(part)
        merged.merge_pictures(part, "012")
    assert merged == summarize(images)


def test_a_summary_counts_labels_problems_and_scores() -> None:
    """Each image is counted once: by its label, or by its problem."""
    found = summarize([make_scored(number) for number in range(300)])
    assert found.images == 300
    assert found.count_problems == found.problems["undecodable-image"] == 30
    assert found.labels.total() == sum(found.scores) == 270
    assert found.scores[:6] == [45] * 6
    assert len(found.scores) == BINS
    assert found.broken[0] == ("/000", "undecodable-image", "It is corrupt.")


def test_the_slowest_and_the_least_certain_are_kept() -> None:
    """The slowest come slowest first, the least certain of a label least certain first."""
    found = summarize([make_scored(number) for number in range(300)])
    assert [path for _, path in found.slowest] == ["/299", "/298", "/297", "/296", "/295"]
    assert [one.path for one in found.uncertain["0"]][:4] == ["/003", "/006", "/009", "/012"]
    assert len(found.uncertain["0"]) == PICTURES


def test_scores_outside_of_the_histogram_are_in_its_outermost_bins() -> None:
    """The score of a regression may be anything."""
    one, row = make_scored(1)
    found = summarize([(one, row | {"score": -7.0}), (one, row | {"score": 12.0})])
    assert (found.scores[0], found.scores[-1]) == (1, 1)


def test_pictures_are_merged_of_some_labels_alone() -> None:
    """Memory does not grow with the labels; all of them are counted."""
    part, found = summarize([make_scored(number) for number in range(30)]), Summary()
    found.merge(part)
    assert found.uncertain == {}
    found.merge_pictures(part, "1")
    assert found.uncertain == {"1": part.uncertain["1"]}
    assert found.labels == part.labels
