"""One list of settings: the class, `.env.example`, docs/settings.md and `--help` agree."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from pydantic.fields import FieldInfo

from app.settings import Settings

ROOT = Path(__file__).parents[2]
FIELDS = Settings.model_fields


def show_default(field: FieldInfo) -> str:
    """Write a default as it stands in a file of variables."""
    return "" if field.default is None else str(field.default)


def test_env_example_lists_every_setting_with_its_default() -> None:
    """`.env.example` holds exactly the settings, at their defaults, in order."""
    lines = (ROOT / ".env.example").read_text("utf-8").splitlines()
    variables = dict(line.split("=", 1) for line in lines if line.startswith("VITRINE_"))
    expected = {f"VITRINE_{name.upper()}": show_default(field) for name, field in FIELDS.items()}
    assert list(variables.items()) == list(expected.items())


def test_env_example_is_read_as_the_defaults(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A copy of `.env.example` as `.env` changes nothing."""
    for name in [name for name in os.environ if name.startswith("VITRINE_")]:
        monkeypatch.delenv(name)
    (tmp_path / ".env").write_bytes((ROOT / ".env.example").read_bytes())
    monkeypatch.chdir(tmp_path)
    assert Settings().model_dump() == {name: field.default for name, field in FIELDS.items()}


def test_settings_page_lists_every_setting_with_its_default() -> None:
    """docs/settings.md holds exactly the settings, at their defaults, with their meaning."""
    page = (ROOT / "docs" / "settings.md").read_text("utf-8")
    rows = re.findall(r"^\| `(VITRINE_\w+)` \| (.*?) \| (.*?) \|$", page, re.MULTILINE)
    expected = [
        (
            f"VITRINE_{name.upper()}",
            f"`{show_default(field)}`" if show_default(field) else "",
            str(field.description),
        )
        for name, field in FIELDS.items()
    ]
    assert rows == expected


def test_help_lists_every_setting_with_its_variable_and_default() -> None:
    """`vitrine serve --help` holds an option for every setting, and no other."""
    done = subprocess.run(
        [sys.executable, "-m", "app.cli.main", "serve", "--help"],
        capture_output=True,
        text=True,
        check=True,
        cwd=ROOT,
        env=os.environ | {"COLUMNS": "10000"},
    )
    until_next = r"(?:(?!\n  -)[^\[])*"  # an option without a variable is no setting
    shown = rf"^  --([\w-]+){until_next}\(default: (.*)\) \[env: (VITRINE_\w+)\]$"
    options = re.findall(shown, done.stdout, re.MULTILINE)
    assert options == [
        (name.replace("_", "-"), str(field.default), f"VITRINE_{name.upper()}")
        for name, field in FIELDS.items()
    ]
