"""What is refused of a Serve config file before a cluster is asked."""

from pathlib import Path

import pytest
import yaml  # type: ignore[import-untyped]

from app.auth.keys import hash_key
from app.deployments.rollout.config import read_config
from app.errors import StartupError
from tests.support.rollouts import make_config, write_config
from tests.support.service import ANN


def read_refusal(path: Path) -> str:
    """Read why a file is refused; one line, which names it."""
    with pytest.raises(StartupError) as caught:
        read_config(path)
    line = str(caught.value)
    assert line.startswith(str(path))
    assert "\n" not in line
    return line


def change(path: Path, old: str, new: str) -> Path:
    """Replace a part of the file."""
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))
    return path


def test_a_good_file_is_read(tmp_path: Path) -> None:
    """Its arguments and Serve's variables."""
    config = make_config(tmp_path, api_keys=f"ann:{hash_key(ANN)}", batch_size=8)
    assert config.args["batch_size"] == 8
    assert config.serve_variables["RAY_SERVE_ENABLE_HA_PROXY"] == "1"
    assert config.runtime_env == {"env_vars": config.serve_variables}
    assert config.find_override("Classifier", "max_surge_percent") == 100
    assert config.find_override("Classifier", "num_replicas") is None


def test_variables_are_added_beside_those_that_are_there(tmp_path: Path) -> None:
    """What Serve gets is the file, with them."""
    config = make_config(tmp_path)
    document = config.complete({"RAY_SERVE_HAPROXY_RETRIES": "9"})
    assert document | {"controller_options": None} == config.complete({}) | {
        "controller_options": None
    }
    given = config.serve_variables | {"RAY_SERVE_HAPROXY_RETRIES": "9"}
    assert document["controller_options"] == {"runtime_env": {"env_vars": given}}


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    """By its name."""
    assert "No such file" in read_refusal(tmp_path / "serve.yaml")


def test_a_file_that_is_not_yaml_is_refused_without_being_quoted(tmp_path: Path) -> None:
    """By the line; it may hold a key."""
    path = tmp_path / "serve.yaml"
    path.write_text(f"a: 1\nb: [{ANN}\n")
    line = read_refusal(path)
    assert "in line 3" in line
    assert ANN not in line


def test_a_file_that_serve_does_not_take_is_refused(tmp_path: Path) -> None:
    """By the option."""
    path = change(write_config(tmp_path), "port: 8000", "port: many")
    assert "http_options.port" in read_refusal(path)
    path.write_text("[]")
    assert "the file" in read_refusal(path)


@pytest.mark.parametrize("count", [0, 2])
def test_a_file_without_one_application_of_ours_is_refused(tmp_path: Path, count: int) -> None:
    """Others may be beside it."""
    path = write_config(tmp_path)
    config = yaml.safe_load(path.read_text())
    ours = config["applications"][0]
    other = {"name": "other", "route_prefix": "/other", "import_path": "others:app"}
    copies = [ours | {"name": f"n{i}", "route_prefix": f"/{i}"} for i in range(count)]
    path.write_text(yaml.safe_dump(config | {"applications": [*copies, other]}))
    assert f"not {count}" in read_refusal(path)
    path.write_text(yaml.safe_dump(config | {"applications": [ours, other]}))
    assert read_config(path).application.name == "vitrine"


def test_our_application_has_the_name_that_haproxys_rules_are_for(tmp_path: Path) -> None:
    """Under another one it would be served without them, and nothing would say so."""
    line = read_refusal(change(write_config(tmp_path), "name: vitrine", "name: digits"))
    assert "must be named vitrine, not digits: HAProxy's rules" in line


def add_variable(folder: Path, name: str, value: str) -> Path:
    """Write the file with one variable more."""
    return change(write_config(folder), "env_vars:\n", f"env_vars:\n      {name}: {value}\n")


def test_a_key_in_clear_is_refused_wherever_it_is(tmp_path: Path) -> None:
    """As an argument, or among variables at any depth; it is not shown."""
    assert ANN not in read_refusal(write_config(tmp_path, api_keys=f"ann:{ANN}"))
    for name in ("VITRINE_API_KEYS", "vitrine_api_keys", "Vitrine_Api_Keys"):
        line = read_refusal(add_variable(tmp_path, name, f"ann:{ANN}"))
        assert f"a secret in {name}, and Serve keeps the file. Give keys as" in line
        assert ANN not in line
        read_config(add_variable(tmp_path, name, f"ann:{hash_key(ANN)}"))


@pytest.mark.parametrize("name", ["RAY_AUTH_TOKEN", "HF_TOKEN", "hf_token", "A_Secret", "PASSWORD"])
def test_a_variable_with_the_name_of_a_secret_is_refused(tmp_path: Path, name: str) -> None:
    """The line says where secrets are set, and does not show it."""
    line = read_refusal(add_variable(tmp_path, name, ANN))
    assert f"a secret in {name}, " in line
    assert "set in the environment of the nodes" in line
    assert ANN not in line


def test_a_variable_that_leads_to_a_secret_is_none(tmp_path: Path) -> None:
    """Only the end of the name counts."""
    read_config(add_variable(tmp_path, "RAY_AUTH_TOKEN_PATH", "/run/secrets/token"))


def test_the_settings_of_who_deploys_say_nothing_of_the_file(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Neither their environment nor their `.env`."""
    monkeypatch.setenv("VITRINE_MIN_CLASSIFIER_REPLICAS", "6")
    (tmp_path / ".env").write_text("VITRINE_BATCH_SIZE=many\n")
    monkeypatch.chdir(tmp_path)
    assert make_config(tmp_path, max_classifier_replicas=4).args["max_classifier_replicas"] == 4


def test_settings_that_belong_together_may_be_in_two_places(tmp_path: Path) -> None:
    """The nodes know whether they agree."""
    assert make_config(tmp_path, min_classifier_replicas=2).args["min_classifier_replicas"] == 2


@pytest.mark.parametrize(
    ("args", "part"),
    [
        ({"batch_size": "many"}, "args.batch_size: "),
        ({"bach_size": 8}, "args.bach_size: Extra inputs are not permitted"),
        ({"port": 8001}, "Set http_options.port"),
        ({"api_keys": "ann:sha256:HASH"}, "args.api_keys: "),
    ],
)
def test_a_wrong_argument_is_refused(tmp_path: Path, args: dict[str, object], part: str) -> None:
    """By its name."""
    assert part in read_refusal(write_config(tmp_path, **args))
