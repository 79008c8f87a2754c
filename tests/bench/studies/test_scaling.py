"""The scaling study: the plan's arithmetic, the controller's messages, and the tables."""

import math
from dataclasses import replace

import pytest

from bench.studies import scaling_report as report
from bench.studies.capacity_plan import Assumptions, format_plans, make_plan, read_cpu
from bench.studies.cluster_classifier import Shape
from bench.studies.control_plane import count_messages, count_port_changes
from bench.studies.planned_clusters import make_shape, scale_gpu
from bench.studies.policies import FAST

ASSUMED = Assumptions(1000, 0.5, node_cores=8, node_gpus=2, spare_nodes=1)


def test_cpu_or_gpus_decide_how_many_nodes() -> None:
    """The larger need counts; each node is paid, the head too, and GPUs where they are needed."""
    plan = make_plan(1000, 10, replace(ASSUMED, core_usd_per_h=1, gpu_usd_per_h=10))
    assert (plan.cores, plan.classifiers, plan.nodes) == (20, 2, 4)
    assert plan.usd_per_h == (4 + 1) * 8 + (1 + 1) * 20
    assert plan.usd_per_million == pytest.approx(plan.usd_per_h / 3.6)
    slow = make_plan(1000, 10, replace(ASSUMED, gpu_images_per_s=100))
    assert (slow.classifiers, slow.nodes) == (20, 11)


def test_without_gpus_the_forward_pass_is_on_the_cores() -> None:
    """Each node has one classifier; its CPU is what was measured with the model on it."""
    plan = make_plan(1000, 40, replace(ASSUMED, gpu_images_per_s=0, gpu_usd_per_h=99))
    assert (plan.cores, plan.nodes, plan.classifiers) == (80, 11, 11)
    assert plan.usd_per_h == pytest.approx(12 * 8 * 0.05)
    assert read_cpu("tiny", has_gpu=True) < read_cpu("tiny", has_gpu=False) / 2
    assert (
        format_plans([("tiny", plan)]).splitlines()[-1].startswith("| 1,000 | tiny: 40 ms | 80 |")
    )


def test_a_simulated_cluster_is_the_planned_one() -> None:
    """Its GPU is as fast as assumed, in full batches."""
    shape = make_shape(10_000, ASSUMED, {"as_it_was": True})
    plan = make_plan(10_000, read_cpu("tiny", has_gpu=True), replace(ASSUMED, spare_nodes=0))
    assert (shape.nodes, shape.ingresses, shape.classifiers) == (
        plan.nodes,
        plan.ingresses,
        plan.classifiers,
    )
    assert shape.as_it_was
    assert scale_gpu(3000).compute_capacity() == pytest.approx(3000)


def test_messages_grow_with_what_they_tell_of() -> None:
    """A change of an ingress goes to each front, one of a classifier to each ingress."""
    found = count_messages(Shape(10, 45, 20, FAST))
    assert (found["of_an_ingress_change"], found["of_a_classifier_change"]) == (10, 45)
    assert found["autoscaling_reports"] == 110
    assert found["polls"] == pytest.approx(55 / 45, abs=0.05)
    assert found["checks_of_an_ingress"] == 2


def test_a_port_comes_back_after_its_quarantine() -> None:
    """Each of the ports that are not in use can be taken once in that time."""
    found = count_port_changes(live=4)
    assert found["per_h"] == math.floor(3600 * (found["ports"] - 4) / found["quarantine_s"])


def test_tables_have_a_row_for_each_cell() -> None:
    """A rule has a column; the measured and both simulations stand in one row."""
    size = {"images_per_s": 1000.0, "shape": (2, 1000, 3), "rule": "a", "in_time": 0.995}
    size |= {"p50_ms": 30.2, "p99_ms": 60, "group": 2, "batch": 9, "classifier_busy": 0.5}
    row = report.format_sizes([size, size | {"rule": "b"}]).splitlines()[-1]
    assert row == "| 1,000 | 2 x 1,000 x 3 |" + 2 * " 100%; 30 / 60; 2.0 / 9.0; 0.50 |"
    known = size | {"goodput": 995.4}
    known |= {"measured": known | {"p99_ms": 70}, "was": known | {"p99_ms": 80}}
    row = report.format_known([known]).splitlines()[-1]
    assert row == "| 1000 | 995; 30 / 70 | 995; 30 / 60 | 995; 30 / 80 |"
    ports = {"ports": 1000, "quarantine_s": 150.0, "live": 4, "per_h": 23904}
    table = report.format_control([count_messages(Shape(2, 9, 3, FAST))], ports)
    assert "| 2 x 9 x 3 | 0.2 | 2.6 | 21.0 | 2 | 9 | 0.4 |" in table
    assert table.endswith("1000 ports, 150 s, 4 live: 23,904 replacements an hour")
