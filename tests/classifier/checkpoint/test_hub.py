"""Checkpoints from the Hub, against a stand-in on loopback; each look-up is a process of its own.

huggingface_hub reads HF_ENDPOINT and HF_HOME when it is imported.
"""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from app.classifier.checkpoint.calibration import read_calibration
from app.classifier.checkpoint.files import Checkpoint
from app.classifier.engines.selection import EngineOptions
from app.classifier.model import Model
from tests.support.checkpoints import LABELS, copy_checkpoint, pickle_weights
from tests.support.hub_server import COMMIT, OLD_COMMIT, Files, Hub, serve_hub

NOWHERE = "http://127.0.0.1:9"
OPEN = """
import json, sys
from app.classifier.checkpoint.files import open_checkpoint
from app.errors import CheckpointError
try:
    found = open_checkpoint(*json.loads(sys.argv[1]))
except CheckpointError as error:
    print(json.dumps({"error": str(error)}))
else:
    print(json.dumps({
        "id": found.id,
        "revision": found.revision,
        "digest": found.digest,
        "folder": str(found.folder),
        "processor_folder": str(found.processor_folder),
        "labels": found.labels,
    }))
"""


@dataclass(frozen=True, slots=True)
class Client:
    """Opens checkpoints in a fresh process, with a cache of its own."""

    cache: Path

    def open(self, endpoint: str, *args: str | None) -> Checkpoint:
        """Open a checkpoint; nothing but the answer may be printed."""
        answer = self._ask(endpoint, *args)
        assert "error" not in answer, answer
        return Checkpoint(
            id=answer["id"],
            revision=answer["revision"],
            digest=answer["digest"],
            folder=Path(answer["folder"]),
            processor_folder=Path(answer["processor_folder"]),
            labels=tuple(answer["labels"]),
            activation="softmax",
        )

    def fail(self, endpoint: str, *args: str | None) -> str:
        """Fail to open a checkpoint; gives the message, which must be one line."""
        message = str(self._ask(endpoint, *args)["error"])
        assert "\n" not in message
        return message

    def _ask(self, endpoint: str, *args: str | None) -> dict[str, str]:
        clean = {name: value for name, value in os.environ.items() if not name.startswith("HF_")}
        settings = {"HF_ENDPOINT": endpoint, "HF_HOME": str(self.cache), "NO_PROXY": "127.0.0.1"}
        done = subprocess.run(
            [sys.executable, "-W", "error", "-c", OPEN, json.dumps(args)],
            env=clean | settings,
            cwd=Path(__file__).parents[3],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.stderr == ""
        answer: dict[str, str] = json.loads(done.stdout)
        return answer


@pytest.fixture(scope="module")
def hub(vit: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hub]:
    """A Hub with a tidy repository, a cluttered one, one of 2023, an empty and a gated one."""
    tidy = read_files(vit)
    pickled = copy_checkpoint(vit, tmp_path_factory.mktemp("hub") / "pickled")
    pickle_weights(pickled)
    clutter = {"pytorch_model.bin": b"x", "modeling.py": b"x", "tf_model.h5": b"x" * 10_000}
    other = {"calibration.json": b'{"temperature": 1.5}', "sub/model.safetensors": b""}
    with serve_hub() as hub:
        hub.add("org/tidy", tidy, old={**tidy, "config.json": tidy["config.json"] + b"\n"})
        hub.add("org/cluttered", {**tidy, **clutter, **other, "README.md": b"x"})
        hub.add("org/pickled", read_files(pickled))
        hub.add("org/bare", {name: tidy[name] for name in tidy if "processor" not in name})
        hub.add("org/empty", {})
        hub.add_gated("org/gated")
        yield hub


@pytest.fixture
def client(tmp_path: Path, hub: Hub) -> Client:
    """A client with an empty cache; what was asked of the Hub before is forgotten."""
    hub.requests.clear()
    return Client(tmp_path / "cache")


def read_files(folder: Path) -> Files:
    """Read a checkpoint's files."""
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_a_hub_id_is_downloaded_and_loads(hub: Hub, client: Client) -> None:
    """A Hub id opens at the commit of its default branch, and the model loads from there."""
    checkpoint = client.open(hub.url, "org/tidy")
    assert (checkpoint.id, checkpoint.revision) == ("org/tidy", COMMIT)
    assert checkpoint.labels == LABELS
    assert Model(checkpoint, EngineOptions("cpu")).description.revision == COMMIT


@pytest.mark.parametrize("revision", ["v1", "feature/old", OLD_COMMIT])
def test_a_revision_is_a_branch_a_tag_or_a_commit(revision: str, hub: Hub, client: Client) -> None:
    """VITRINE_REVISION names a branch, a tag or a commit, and the commit is told."""
    checkpoint = client.open(hub.url, "org/tidy", revision)
    assert checkpoint.revision == OLD_COMMIT
    assert (checkpoint.folder / "config.json").read_bytes().endswith(b"\n")


def test_only_what_is_needed_is_fetched(hub: Hub, client: Client) -> None:
    """Where there is safetensors no pickle is fetched, and never code or anything else."""
    folder = client.open(hub.url, "org/cluttered").folder
    assert read_calibration(folder, "softmax").temperature == 1.5
    expected = {"config.json", "preprocessor_config.json", "model.safetensors", "calibration.json"}
    assert hub.list_fetched() == expected
    assert not any("sub/" in request for request in hub.requests)


def test_a_repository_of_2023_gives_its_pickle(hub: Hub, client: Client) -> None:
    """Where there is only pytorch_model.bin it is fetched, and it loads."""
    checkpoint = client.open(hub.url, "org/pickled")
    assert "pytorch_model.bin" in hub.list_fetched()
    assert Model(checkpoint, EngineOptions("cpu")).description.labels == LABELS


def test_the_processor_may_be_another_hub_id(hub: Hub, client: Client) -> None:
    """VITRINE_PROCESSOR may be a Hub id, of which no weights are fetched."""
    checkpoint = client.open(hub.url, "org/bare", None, "org/tidy")
    assert (checkpoint.processor_folder / "preprocessor_config.json").is_file()
    assert not any("org/tidy" in one and ".safetensors" in one for one in hub.requests)


def test_a_repository_without_processor_says_which_setting_helps(hub: Hub, client: Client) -> None:
    """Where the repository has no processor the message names VITRINE_PROCESSOR."""
    assert "Set VITRINE_PROCESSOR" in client.fail(hub.url, "org/bare")


@pytest.mark.parametrize(
    ("repo_id", "revision", "reason"),
    [
        ("org/unknown", None, "Repository Not Found"),
        ("org/tidy", "v9", "Revision Not Found"),
        ("org/tidy", "a" * 40, "Revision Not Found"),
        ("org/gated", None, "gated repo"),
        ("org/empty", None, "no config.json"),
    ],
)
def test_what_the_hub_does_not_give_is_told_in_one_line(
    repo_id: str, revision: str | None, reason: str, hub: Hub, client: Client
) -> None:
    """An unknown repository or revision and a gated or empty one end in one line each."""
    message = client.fail(hub.url, repo_id, revision)
    assert repo_id.replace("/", "--") in message or repo_id in message
    assert reason in message


def test_a_gated_repository_says_that_it_needs_a_token(hub: Hub, client: Client) -> None:
    """A repository that only some may read leads to HF_TOKEN."""
    assert "HF_TOKEN" in client.fail(hub.url, "org/gated")


@pytest.mark.parametrize("repo_id", ["org/tidy", "org/cluttered", "org/pickled"])
def test_what_is_in_the_cache_opens_with_the_hub_out_of_reach(
    repo_id: str, hub: Hub, client: Client
) -> None:
    """A checkpoint that was fetched once needs no Hub."""
    first = client.open(hub.url, repo_id)
    assert client.open(NOWHERE, repo_id) == first


def test_with_the_hub_out_of_reach_and_no_cache_one_line_says_so(client: Client) -> None:
    """Without Hub and cache the message says that there was no connection."""
    assert "ConnectError" in client.fail(NOWHERE, "org/tidy")


def test_a_hub_address_that_is_none_is_told_in_one_line(client: Client) -> None:
    """A HF_ENDPOINT that is no URL ends in one line."""
    assert "http" in client.fail("no-address", "org/tidy")
