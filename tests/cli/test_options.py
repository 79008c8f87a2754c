"""Settings on the command line, and secrets among them, which are never told."""

import pickle
from pathlib import Path

import pytest
from pydantic import ValidationError

from app.auth.keys import find_key, hash_key
from app.cli.options import read_settings
from app.errors import SettingsError
from app.settings import Settings

KEY = "ann-knows-this-key"


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (f"VITRINE_API_KEYS={KEY}", "VITRINE_API_KEYS: Value error, entry 1"),
        (f"VITRINE_API_KEYS=bob:sha256:{KEY}", "VITRINE_API_KEYS: Value error, entry 1"),
        (f"VITRINE_API_KEY=ann:{KEY}", "VITRINE_API_KEY: Extra inputs are not permitted"),
    ],
)
def test_a_wrong_key_is_refused_untold(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, line: str, said: str
) -> None:
    """The error names the variable, a mistyped one too, and not its value."""
    (tmp_path / ".env").write_text(line)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SettingsError, match=said) as caught:
        read_settings({})
    assert KEY not in str(caught.value)
    assert KEY not in str(caught.value.__cause__)


def test_another_wrong_value_is_told() -> None:
    """What is no secret is shown, which helps to find it."""
    with pytest.raises(SettingsError, match=r"VITRINE_PORT: .* \(got 'eighty'\)"):
        read_settings({"port": "eighty"})


def test_options_win_over_variables_and_those_over_a_file(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The command line comes first, then the environment, then `.env`, then the default."""
    (tmp_path / ".env").write_text("VITRINE_PORT=8122\nVITRINE_HOST=127.0.0.2\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("VITRINE_PORT", "8123")
    variables, options = read_settings({}), read_settings({"port": "8124"})
    assert (variables.port, options.port) == (8123, 8124)
    assert (options.host, options.log_level) == ("127.0.0.2", "info")


def test_settings_show_no_key(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither repr nor dump has a key or its hash; on the way to a replica the hash alone goes."""
    monkeypatch.setenv("VITRINE_API_KEYS", f"ann:{KEY}")
    settings = read_settings({})
    for shown in (repr(settings), str(settings), settings.model_dump_json()):
        assert KEY not in shown
        assert hash_key(KEY) not in shown
    sent = pickle.dumps(settings)
    assert KEY.encode() not in sent
    (key,) = pickle.loads(sent).list_keys()
    assert find_key([key], KEY) == key


def test_a_command_line_takes_no_key_as_itself() -> None:
    """Every user of the machine can read it; the refusal says what to do, and not the key."""
    assert read_settings({"api_keys": f"ann:{hash_key(KEY)}"}).list_keys()
    with pytest.raises(SettingsError, match="VITRINE_API_KEYS") as caught:
        read_settings({"api_keys": f"bob:{hash_key(KEY)},ann:{KEY}"})
    assert KEY not in str(caught.value)


def test_a_cluster_is_told_no_key_either() -> None:
    """Serve builds the settings itself; its traceback has no value."""
    with pytest.raises(ValidationError) as caught:
        Settings.model_validate({"api_keys": KEY})
    assert KEY not in str(caught.value)


def test_origins_are_listed() -> None:
    """Several origins are several; none are none."""
    both = "https://app.example,http://localhost:3000"
    assert read_settings({"cors_origins": both}).list_cors_origins() == tuple(both.split(","))
    assert read_settings({"cors_origins": "*"}).list_cors_origins() == ("*",)
    assert read_settings({}).list_cors_origins() == ()


@pytest.mark.parametrize("origins", ["app.example", "https://app.example/", "*,https://a", "null"])
def test_what_is_no_origin_is_refused(origins: str) -> None:
    """An origin that no browser would ever send is a mistake."""
    with pytest.raises(SettingsError, match="VITRINE_CORS_ORIGINS"):
        read_settings({"cors_origins": origins})
