"""From measured CPU an image and assumed engine rates and prices to nodes, replicas and money."""

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass

from bench.kit.results import RESULTS, format_table
from bench.studies.cluster_parts import Costs

MATRIX = RESULTS / "2026-11-26-matrix.json"
MODELS = ("digits", "tiny")
"""Whose CPU is planned with: 32 px and 224 px."""


@dataclass(frozen=True)
class Assumptions:
    """What this project has not measured: rates of GPUs, prices, nodes, and how full they may be.

    Without a GPU (0 images/s) the model runs on the cores of each node, as it was measured.
    """

    gpu_images_per_s: float = 2000
    utilization: float = 0.6
    node_cores: int = 16
    node_gpus: int = 1
    spare_nodes: int = 1
    core_usd_per_h: float = 0.05
    gpu_usd_per_h: float = 2.0


@dataclass(frozen=True)
class Plan:
    """What serves a rate, beside a node for Ray's head; GPUs are in as many nodes as need them."""

    images_per_s: float
    cpu_ms: float
    cores: int
    nodes: int
    ingresses: int
    classifiers: int
    usd_per_h: float

    @property
    def usd_per_million(self) -> float:
        """Price of a million images at this rate."""
        return self.usd_per_h / (self.images_per_s * 3600) * 1e6


def read_cpu(model: str, *, has_gpu: bool, image: str = "640x480 JPEG") -> float:
    """Read the CPU ms of an image at 64 connections; with a GPU without the forward pass's."""
    record = json.loads(MATRIX.read_text())
    (cell,) = (
        one
        for one in record["cells"]
        if (one["model"], one["image"], one["concurrency"]) == (model, image, 64)
    )
    cpu_ms = float(cell["servers"]["vitrine"]["cpu_ms"])
    return cpu_ms - has_gpu * float(record["limits"][model]["engine_cpu_ms"])


def make_plan(rate: float, cpu_ms: float, assumed: Assumptions) -> Plan:
    """Size a cluster for a rate in images/s."""
    room, costs, spare = assumed.utilization, Costs(), assumed.spare_nodes
    cores = math.ceil(rate * cpu_ms / 1000 / room)
    ingress_ms = costs.image + costs.sent_group  # with groups of one image
    gpus = gpu_nodes = 0
    if assumed.gpu_images_per_s:
        gpus = math.ceil(rate / (assumed.gpu_images_per_s * room))
        gpu_nodes = math.ceil(gpus / assumed.node_gpus) + spare
    nodes = max(math.ceil(cores / assumed.node_cores) + spare, gpu_nodes)
    cores_usd = (nodes + 1) * assumed.node_cores * assumed.core_usd_per_h
    gpus_usd = gpu_nodes * assumed.node_gpus * assumed.gpu_usd_per_h
    return Plan(
        images_per_s=rate,
        cpu_ms=round(cpu_ms, 1),
        cores=cores,
        nodes=nodes,
        ingresses=math.ceil(rate * ingress_ms / 1000 / room),
        classifiers=gpus or nodes,
        usd_per_h=round(cores_usd + gpus_usd, 2),
    )


def plan_rates(rates: Sequence[float], assumed: Assumptions) -> list[tuple[str, Plan]]:
    """Plan each rate with the CPU of each model that was measured."""
    cpu = {model: read_cpu(model, has_gpu=bool(assumed.gpu_images_per_s)) for model in MODELS}
    return [(name, make_plan(rate, ms, assumed)) for name, ms in cpu.items() for rate in rates]


def format_plans(plans: Sequence[tuple[str, Plan]]) -> str:
    """Return a row for each plan, with what it is for."""
    head = ["images/s", "CPU an image, as with", "cores", "nodes", "ingresses", "classifiers"]
    rows = [
        [
            f"{plan.images_per_s:,.0f}",
            f"{name}: {plan.cpu_ms} ms",
            *(f"{plan.cores:,}", f"{plan.nodes:,} + head", f"{plan.ingresses:,}"),
            *(f"{plan.classifiers:,}", f"{plan.usd_per_h:,.0f}", f"{plan.usd_per_million:.2f}"),
        ]
        for name, plan in plans
    ]
    return format_table([*head, "$/h", "$ a million"], rows)
