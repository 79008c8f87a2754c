"""The command line, run as a user runs it; `serve` is under tests/serve."""

import json
import logging
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from app.cli.commands import COMMANDS
from app.cli.main import build_parser, main, parse_arguments
from app.settings import Settings

ROOT = Path(__file__).parents[2]
SAMPLES = ROOT / "app" / "demo" / "samples"


def run(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run one command to its end."""
    return subprocess.run(
        [sys.executable, "-m", "app.cli.main", *arguments],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
        env=os.environ | variables,
    )


def test_check_says_what_would_be_served() -> None:
    """`vitrine check` names model, labels, image size, device and address, and nothing else."""
    done = run("check", VITRINE_PORT="8123", VITRINE_DEVICE="cpu")
    assert done.returncode == 0
    assert done.stderr == ""
    words = [line.split()[0] for line in done.stdout.splitlines()]
    assert words == ["model", "labels", "image", "engine", "address"]
    assert "vitrine-digits at " in done.stdout
    assert "10 (0, 1, 2, 3, 4, …)" in done.stdout
    assert "32 x 32" in done.stdout
    assert "http://127.0.0.1:8123" in done.stdout


def test_check_says_that_scores_are_calibrated(tmp_path: Path) -> None:
    """By which temperature, where VITRINE_CALIBRATION asks for it."""
    folder = shutil.copytree(ROOT / "app" / "demo" / "checkpoint", tmp_path / "digits")
    (folder / "calibration.json").write_text('{"temperature": 1.5}')
    done = run("check", "--model", str(folder), VITRINE_CALIBRATION="temperature")
    assert done.returncode == 0, done.stderr
    assert "scores     calibrated, temperature 1.5\n" in done.stdout


@pytest.mark.parametrize("command", [("serve",), ("check",), ("predict", "x.png")])
@pytest.mark.parametrize(
    ("variables", "words"),
    [
        ({"VITRINE_CALIBRATION": "temperature"}, "has no calibration.json"),
        ({"VITRINE_CHECKPOINT": "best:f1"}, "is a checkpoint, not a training run. Unset it"),
    ],
)
def test_what_a_checkpoint_lacks_is_told_in_one_line(
    command: tuple[str, ...], variables: dict[str, str], words: str
) -> None:
    """The bundled one has no calibration and nothing to choose from."""
    done = run(*command, **variables)
    assert (done.returncode, done.stdout) == (2, "")
    (line,) = done.stderr.splitlines()
    assert words in line


def test_predict_prints_one_json_document_a_file(tmp_path: Path) -> None:
    """A good file has predictions, a bad one its error, in order; the exit code tells of it."""
    bad = tmp_path / "not-an-image.jpg"
    bad.write_text("hello")
    done = run("predict", "--json", "--top-k", "1", str(SAMPLES / "7-0.png"), str(bad), "nowhere")
    first, second, third = map(json.loads, done.stdout.splitlines())
    assert first["predictions"][0]["label"] == "7"
    assert len(first["predictions"]) == 1
    assert second["error"]["type"] == "unsupported-media-type"
    assert "No such file" in third["error"]["detail"]
    assert done.returncode == 1


def test_predict_prints_a_table(tmp_path: Path) -> None:
    """Without `--json` there is a line a prediction, and an error in its file's row."""
    bad = tmp_path / "bad[1].png"
    bad.write_bytes(b"")
    done = run("predict", str(SAMPLES / "7-0.png"), str(bad), COLUMNS="300")
    lines = done.stdout.splitlines()
    assert lines[0].split() == ["file", "label", "score"]
    assert lines[1].split()[1] == "7"
    assert float(lines[1].split()[2]) > 0.8
    assert "bad[1].png" in lines[4]
    assert "The image is empty" in lines[4]
    assert done.returncode == 1


@pytest.mark.parametrize("command", [("serve",), ("check",), ("predict", "x.png")])
def test_a_wrong_checkpoint_is_told_in_one_line(command: tuple[str, ...], tmp_path: Path) -> None:
    """What cannot start says why on one line of standard error, with exit code 2."""
    done = run(*command, VITRINE_MODEL=str(tmp_path))
    assert (done.returncode, done.stdout) == (2, "")
    (line,) = done.stderr.splitlines()
    assert "no config.json" in line


@pytest.mark.parametrize(
    ("variables", "words"),
    [
        ({"VITRINE_PORT": "0"}, "VITRINE_PORT: Input should be greater than or equal to 1"),
        ({"VITRINE_DEVICE": "tpu"}, "VITRINE_DEVICE: Input should be 'auto', 'cpu' or 'cuda'"),
        ({"VITRINE_BUCKETS": "1,64"}, "larger than VITRINE_BATCH_SIZE=32"),
        ({"VITRINE_CHECKPOINT": "best"}, "VITRINE_CHECKPOINT: String should match pattern"),
        ({"VITRINE_CHECKPOINT": "best:"}, "VITRINE_CHECKPOINT: String should match pattern"),
        ({"VITRINE_CALIBRATION": "on"}, "VITRINE_CALIBRATION: Input should be 'off' or 'temp"),
        ({"VITRINE_BATCH_SIZE": "many"}, "VITRINE_BATCH_SIZE: Input should be a valid integer"),
    ],
)
def test_a_wrong_setting_is_named(variables: dict[str, str], words: str) -> None:
    """A setting that is wrong is named with what is allowed, with exit code 2."""
    done = run("check", **variables)
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1
    assert words in done.stderr


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("check", "--port", "0"), "VITRINE_PORT: Input should be greater than or equal to 1"),
        (("check", "--bogus"), "unrecognized arguments: --bogus"),
        (("key", "--port", "1"), "unrecognized arguments: --port 1"),
        (("predict",), "the following arguments are required: FILE"),
        (("predict", "x.png", "--top-k", "0"), "argument --top-k: 0 is not at least 1"),
        (("predict", "x.png", "--top-k", "a"), "argument --top-k: a is not at least 1"),
        (("quantize", "--images", "."), "the following arguments are required: --out"),
        (
            ("quantize", "--images", ".", "--out", "x", "--min-agreement", "2"),
            "argument --min-agreement: 2 is not between 0 and 1",
        ),
        (("tune", ".", "--out", "x", "--lr", "-1"), "argument --lr: -1 is not above 0"),
        (("tune", ".", "--out", "x", "--lr", "nan"), "argument --lr: nan is not above 0"),
        (("tune", ".", "--out", "x", "--lr", "a"), "argument --lr: a is no number"),
        (("tune", ".", "--out", "x", "--holdout", "1"), "1 is not at least 0 and below 1"),
        (("tune", ".", "--out", "x", "--seed", "-1"), "-1 is no whole number from 0 to 4294967295"),
        (("tune", ".", "--out", "x", "--seed", str(2**32)), "is no whole number from 0 to 42949"),
        (("tune", ".", "--out", "x", "--freeze", "-1"), "-1 is neither a number of blocks nor all"),
        (("sevre",), "invalid choice: 'sevre'"),
        ((), "the following arguments are required: COMMAND"),
    ],
)
def test_a_wrong_argument_is_named(arguments: tuple[str, ...], words: str) -> None:
    """The last line of standard error names it, with exit code 2."""
    done = run(*arguments)
    assert done.returncode == 2
    assert words in done.stderr.splitlines()[-1]


def test_an_option_wins_over_the_environment() -> None:
    """`--port` counts where `VITRINE_PORT` is set too."""
    done = run("check", "--port", "8124", VITRINE_PORT="8123")
    assert "127.0.0.1:8124" in done.stdout


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ((), r"a warning\nan error\n"),
        (("--log-level", "error"), r"an error\n"),
        (("--log-level", "info"), r"a note\na warning\nan error\n"),
        (("--log-format", "text"), r"[\d:]{8} WARN  a warning\n[\d:]{8} ERROR an error\n"),
        (
            ("--log-format", "json", "--log-level", "error"),
            r'\{"time": ".+", "level": "error", "logger": "vitrine.x", "message": "an error"\}\n',
        ),
    ],
)
def test_a_command_logs_as_its_options_say(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    options: tuple[str, ...],
    said: str,
) -> None:
    """To standard error; by default warnings, as they are."""

    def check(_: Settings) -> int:
        logger = logging.getLogger("vitrine.x")
        logger.info("a note")
        logger.warning("a %s", "warning")
        logger.error("an error")
        return 0

    monkeypatch.setitem(COMMANDS, "check", check)
    assert main(["check", *options]) == 0
    out, err = capsys.readouterr()
    assert (out, bool(re.fullmatch(said, err))) == ("", True), err
    assert logging.getLogger("vitrine").propagate


def test_an_option_with_the_name_of_a_setting_may_be_a_commands_own() -> None:
    """`--batch-size` of tune is not VITRINE_BATCH_SIZE."""
    settings, arguments = parse_arguments(["tune", "data", "--out", "run", "--batch-size", "64"])
    assert (settings, arguments["batch_size"]) == ({}, 64)
    settings, arguments = parse_arguments(["check", "--batch-size", "64"])
    assert (settings, "batch_size" in arguments) == ({"batch_size": "64"}, False)


def test_a_file_may_have_any_name() -> None:
    """Commas, brackets and the word null are part of a name, and no list and no value."""
    names = ["a,b.png", "[c].png", "null"]
    arguments = build_parser(["predict"]).parse_args(["predict", "--top-k", "1", *names])
    assert arguments.files == [Path(name) for name in names]


@pytest.mark.parametrize("option", [[], ["--help"], ["serve", "--help"]])
def test_help_imports_neither_ray_nor_torch(option: list[str]) -> None:
    """Help is there at once."""
    script = (
        "import sys\nfrom app.cli.main import main\ntry:\n    main(sys.argv[1:])\nfinally:\n"
        "    assert not {'ray', 'torch', 'transformers'} & set(sys.modules), 'slow'\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, *option],
        capture_output=True,
        text=True,
        cwd=ROOT,
        check=False,
    )
    assert "slow" not in done.stderr


def test_openapi_prints_the_description_and_loads_no_model() -> None:
    """`vitrine openapi` prints JSON; a GPU that is not there is no matter."""
    done = run("openapi", VITRINE_DEVICE="cuda")
    assert done.returncode == 0
    assert json.loads(done.stdout)["openapi"].startswith("3.1")
