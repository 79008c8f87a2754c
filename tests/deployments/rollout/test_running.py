"""What the Serve that runs already means for a file."""

from pathlib import Path
from typing import Any

from app.deployments.rollout.config import ServeConfig
from app.deployments.rollout.progress import Application, ServeDetails
from app.deployments.rollout.running import count_replaced, describe_deleted
from tests.support.rollouts import make_config


def make_details(config: ServeConfig, states: tuple[str, ...], **changes: Any) -> ServeDetails:  # noqa: ANN401 - JSON
    """Make what Serve tells of our application, as it runs with replicas in these states."""
    deployed = config.application.model_dump(exclude_unset=True)
    application: Application = {
        "status": "RUNNING",
        "message": "",
        "last_deployed_time_s": 1.0,
        "source": "declarative",
        "deployed_app_config": deployed,
        "deployments": {
            "Classifier": {
                "status": "HEALTHY",
                "status_trigger": "CONFIG_UPDATE_COMPLETED",
                "message": "",
                "target_num_replicas": 2,
                "replicas": [{"state": state, "start_time_s": 1.0} for state in states],
            }
        },
    }
    application.update(changes)  # type: ignore[typeddict-item] # the same members
    return {"controller_info": {}, "applications": {"vitrine": application}, "proxies": {}}


RUNNING = ("RUNNING", "STARTING", "RUNNING")


def test_other_arguments_replace_what_runs(tmp_path: Path) -> None:
    """The same ones do not, and where no replica runs there is nothing to replace."""
    config = make_config(tmp_path)
    other = make_config(tmp_path, batch_size=8)
    assert count_replaced(config, make_details(config, RUNNING)) == {}
    assert count_replaced(other, make_details(config, RUNNING)) == {"Classifier": 2}
    assert count_replaced(other, make_details(config, ("STARTING",))) == {}
    nothing: ServeDetails = {"controller_info": {}, "applications": {}, "proxies": {}}
    assert count_replaced(other, nothing) == {}


def test_what_was_deployed_without_a_file_is_replaced(tmp_path: Path) -> None:
    """Serve has no arguments of it: not after `serve run`, nor while it deletes it."""
    config = make_config(tmp_path)
    for source, status in (("imperative", "RUNNING"), ("declarative", "DELETING")):
        changes = {"source": source, "status": status, "deployed_app_config": None}
        assert count_replaced(config, make_details(config, RUNNING, **changes)) == {"Classifier": 2}
        assert count_replaced(config, make_details(config, (), **changes)) == {}


def test_what_serve_deletes_is_told(tmp_path: Path) -> None:
    """It came from a file, and is in this one no more."""
    config = make_config(tmp_path)
    details = make_details(config, RUNNING)
    (application,) = details["applications"].values()
    details["applications"] |= {"albums": application}
    (line,) = describe_deleted(config, details)
    assert line.startswith("albums ")
