"""How many replicas must run at once."""

from dataclasses import replace
from pathlib import Path

import yaml  # type: ignore[import-untyped]

from app.deployments.rollout.config import read_config
from app.deployments.rollout.demand import count_demand
from tests.support.rollouts import make_config, make_report, write_config

ONE = make_report("10.0.0.1")
RUNNING = {"Ingress": 1, "Classifier": 1}
SCALED = {"min_classifier_replicas": 2, "max_classifier_replicas": 5, "device": "cpu"}


def test_an_update_needs_room_for_the_surge(tmp_path: Path) -> None:
    """New replicas start beside the old ones, if the file says so."""
    config = make_config(tmp_path)
    assert count_demand(config, [ONE], {}).classifiers == 1
    assert count_demand(config, [ONE], RUNNING).classifiers == 2


def test_replicas_are_counted_as_serve_will_start_them(tmp_path: Path) -> None:
    """GPUs where there are any, the first number of those that follow the load, and overrides."""
    gpus = replace(ONE, gpus=2.0)
    assert count_demand(make_config(tmp_path), [gpus], {}).gpus_each == 1
    scaled = replace(make_report("10.0.0.1", **SCALED), gpus=2.0)
    demand = count_demand(make_config(tmp_path), [scaled], {})
    assert (demand.classifiers, demand.gpus_each) == (2, 0)
    path = write_config(tmp_path)
    document = yaml.safe_load(path.read_text())
    actors = {"num_cpus": 0, "num_gpus": 0.5}
    document["applications"][0]["deployments"][1] |= {
        "num_replicas": 3,
        "ray_actor_options": actors,
    }
    path.write_text(yaml.safe_dump(document))
    for running in ({}, {"Classifier": 9}):
        demand = count_demand(read_config(path), [ONE], running)
        assert (demand.cpus_each, demand.gpus_each) == (0, 0.5)
        assert demand.classifiers == 3 * (2 if running else 1)


def test_an_update_keeps_as_many_as_the_load_has_brought(tmp_path: Path) -> None:
    """Not below the first number of the file, nor above its largest one; and the surge of that."""
    report = make_report("10.0.0.1", **SCALED)
    for running, expected in ((0, 2), (1, 2), (4, 4), (9, 5)):
        demand = count_demand(
            make_config(tmp_path), [report], {"Ingress": 1, "Classifier": running}
        )
        assert demand.classifiers == 2 * expected


def test_one_is_started_even_where_none_may_run(tmp_path: Path) -> None:
    """So that a model that does not load is found at once."""
    report = make_report("10.0.0.1", **SCALED | {"min_classifier_replicas": 0})
    assert count_demand(make_config(tmp_path), [report], {}).classifiers == 1
