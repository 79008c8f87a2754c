"""A job: begun, gone on with, refused."""

from dataclasses import replace
from pathlib import Path

import pytest

from app.classifier.checkpoint.files import open_checkpoint
from app.datasets.sample import Sample
from app.errors import DatasetError
from app.offline.bulk_scorer import ScoredSample
from app.scoring.folder import OutputFolder
from app.scoring.job import Job, add_pictures, open_job
from app.scoring.manifest import read_manifest
from app.scoring.options import ScoreOptions, bound_problems
from app.scoring.part_names import SUMMARY, name_summary
from app.scoring.summary import SHEETS, Summary, summarize
from app.settings import Settings
from tests.support.service import ROOT, SAMPLES

DEMO = ROOT / "app" / "demo" / "checkpoint"


def make_options(folder: Path) -> ScoreOptions:
    """Ask for the 20 samples in parts of six."""
    return ScoreOptions((str(SAMPLES),), str(folder / "out"), part_rows=6)


def begin(options: ScoreOptions, settings: Settings | None = None) -> Job:
    """Open the job of these options."""
    return open_job(settings or Settings(), open_checkpoint(str(DEMO)), options, lambda _: None)


def finish_part(options: ScoreOptions, part: int, images: int) -> None:
    """Note that a part is done."""
    OutputFolder(options.out).write(name_summary(part), Summary(images=images).encode())


def test_a_job_lists_each_image_once(tmp_path: Path) -> None:
    """The parts together are the samples, in order."""
    job = begin(make_options(tmp_path))
    assert (job.images, job.pending) == (20, [0, 1, 2, 3])
    listed = [one.path for part in job.pending for one in read_manifest(job.folder, part)]
    assert listed == [str(path) for path in sorted(SAMPLES.iterdir())]


def test_the_next_run_goes_on_with_what_is_left(tmp_path: Path) -> None:
    """Parts that are done are counted and not done again; a damaged summary is not done."""
    options = make_options(tmp_path)
    begin(options)
    finish_part(options, 2, 6)
    OutputFolder(options.out).write(name_summary(0), b"{half")
    job = begin(options)
    assert job.pending == [0, 1, 3]
    assert job.summary.images == 6


def test_a_list_that_was_not_finished_is_made_anew(tmp_path: Path) -> None:
    """A run that was killed while it listed its images leaves nothing that harms."""
    options = make_options(tmp_path)
    folder = begin(options).folder
    noted = folder.read(".vitrine/job.json").replace(b'"images": 20', b'"images": 0')
    folder.write(".vitrine/job.json", noted)
    assert begin(options).images == 20


@pytest.mark.parametrize(
    ("changes", "name"),
    [
        ({"top_k": 3}, "top_k"),
        ({"format": "csv"}, "format"),
        ({"logits": True}, "logits"),
        ({"inputs": (str(SAMPLES / "1-0.png"),)}, "input"),
    ],
)
def test_a_folder_goes_on_with_the_same_alone(
    tmp_path: Path, changes: dict[str, object], name: str
) -> None:
    """Rows of two kinds are never mixed; the message says what differs."""
    options = make_options(tmp_path)
    begin(options)
    with pytest.raises(DatasetError, match=f"begun with another {name}: .*, now .*--overwrite"):
        begin(replace(options, **changes))  # type: ignore[arg-type]


def test_a_folder_keeps_to_its_precision_and_revision(tmp_path: Path) -> None:
    """Another model or other numbers are refused as other options are."""
    options = make_options(tmp_path)
    begin(options)
    with pytest.raises(DatasetError, match="begun with another precision: auto, now bf16"):
        begin(options, Settings(precision="bf16"))
    with pytest.raises(DatasetError, match="begun with another device: auto, now cpu"):
        begin(options, Settings(device="cpu"))


def test_a_complete_job_is_done_anew_only_with_overwrite(tmp_path: Path) -> None:
    """It is refused in one line; --overwrite removes it, and nothing of the user's own."""
    options = make_options(tmp_path)
    folder = begin(options).folder
    folder.write(SUMMARY, b"{}")
    finish_part(options, 0, 6)
    (tmp_path / "out" / "mine.txt").write_text("keep")
    with pytest.raises(DatasetError, match="is complete, with 20 images"):
        begin(options)
    job = begin(replace(options, overwrite=True, top_k=1))
    assert job.pending == [0, 1, 2, 3]
    assert not folder.has(SUMMARY)
    assert folder.has("mine.txt")


def test_pictures_of_a_job_are_the_least_certain_of_all_parts(tmp_path: Path) -> None:
    """Of the labels that are the most frequent in the end, however rare they were at first."""
    options = make_options(tmp_path)
    job = begin(options)
    for part in job.pending:
        rare = [f"rare {part} {number}" for number in range(SHEETS)]
        labels = [*rare, *rare, "late"] if part == 0 else ["late"] * 3
        rows = [
            (
                ScoredSample(Sample("a", "a")),
                {"path": f"{part}", "label": label, "score": 1 - part / 10},
            )
            for label in labels
        ]
        job.folder.write(name_summary(part), summarize(rows).encode())
    done = begin(options)
    add_pictures(done)
    assert len(done.summary.uncertain) == SHEETS
    assert [one.score for one in done.summary.uncertain["late"]][:4] == [0.7, 0.7, 0.7, 0.8]


def test_a_job_that_overwrites_goes_on_when_it_was_stopped(tmp_path: Path) -> None:
    """The same command loses nothing, nor does one without --overwrite."""
    options = make_options(tmp_path)
    begin(options)
    finish_part(options, 1, 6)
    again = replace(options, overwrite=True)
    assert begin(again).pending == [0, 1, 2, 3]
    finish_part(options, 2, 6)
    assert begin(again).pending == [0, 1, 3]
    assert begin(options).pending == [0, 1, 3]
    assert begin(replace(again, top_k=1)).pending == [0, 1, 2, 3]


def test_a_kill_while_overwrite_removes_leaves_no_part_that_is_done(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Summaries may outlive their rows: the next run does not believe them."""
    options = replace(make_options(tmp_path), overwrite=True)
    folder = begin(options).folder
    finish_part(options, 1, 6)
    folder.write(SUMMARY, b"{}")
    clear = OutputFolder.clear

    def die(self: OutputFolder, *_: object) -> None:
        clear(self, (SUMMARY,), ("rows",))
        raise KeyboardInterrupt

    monkeypatch.setattr(OutputFolder, "clear", die)
    with pytest.raises(KeyboardInterrupt):
        begin(options)
    monkeypatch.undo()
    assert not folder.has(SUMMARY)
    assert begin(replace(options, overwrite=False)).pending == [0, 1, 2, 3]


def test_overwrite_removes_nothing_before_there_is_an_image(tmp_path: Path) -> None:
    """A mistyped input costs no result."""
    options = make_options(tmp_path)
    folder = begin(options).folder
    folder.write(SUMMARY, b"{}")
    finish_part(options, 0, 6)
    with pytest.raises(DatasetError, match="none does not exist"):
        begin(replace(options, inputs=(str(tmp_path / "none"),), overwrite=True))
    assert folder.has(SUMMARY)
    assert folder.has(name_summary(0))


def test_a_model_that_reads_images_otherwise_is_another_one(tmp_path: Path) -> None:
    """A commit of the Hub does not tell of VITRINE_PROCESSOR; the content of all files does."""
    options, checkpoint = make_options(tmp_path), open_checkpoint(str(DEMO))
    begin(options)
    with pytest.raises(DatasetError, match=r"begun with another digest: .*, now 123"):
        open_job(Settings(), replace(checkpoint, digest="123"), options, lambda _: None)


@pytest.mark.parametrize("overwrite", [False, True])
def test_a_folder_of_something_else_is_never_touched(tmp_path: Path, *, overwrite: bool) -> None:
    """Not even with --overwrite."""
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "thesis.txt").write_text("x")
    with pytest.raises(DatasetError, match="is not empty, and no result of vitrine score"):
        begin(replace(make_options(tmp_path), overwrite=overwrite))


def test_nothing_is_written_where_no_image_is_there(tmp_path: Path) -> None:
    """The message names the input."""
    options = replace(make_options(tmp_path), inputs=(str(tmp_path / "none"),))
    with pytest.raises(DatasetError, match="none does not exist"):
        begin(options)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("limit", "bound"), [(None, None), ("0", 0), ("7", 7), ("1%", 10), ("0.25%", 2)]
)
def test_problems_are_bounded_by_number_or_share(limit: str | None, bound: int | None) -> None:
    """A share is one of all images, rounded down, and exact."""
    assert bound_problems("29%", 100) == 29
    assert bound_problems(limit, 1000) == bound
