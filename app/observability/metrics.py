"""Metrics of a process, and those of all replicas as one page in Prometheus' formats.

Each process counts its own, in `REGISTRY`. Whoever is asked for the page puts the snapshots of all
processes side by side: nothing is added up, so a replica that ends takes its series along, and no
sum is wrong.
"""

from collections.abc import Iterable, Mapping, Sequence
from importlib.metadata import version
from typing import NamedTuple

from prometheus_client import CollectorRegistry, Info, ProcessCollector, disable_created_metrics
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.exposition import choose_encoder
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector
from prometheus_client.samples import Sample

REGISTRY = CollectorRegistry(auto_describe=True)
"""What this process counts. Not the library's own, in which Ray registers things."""

SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)
"""Upper bounds of the buckets of times."""

IMAGES = (1, 2, 4, 8, 16, 32, 64, 128, 256)
"""Upper bounds of the buckets of numbers of images."""

MAX_VALUE = 100
"""Characters of a label's value; longer ones are cut."""

disable_created_metrics()  # type: ignore[no-untyped-call]
ProcessCollector("vitrine", registry=REGISTRY)
Info("vitrine_build", "The version of Vitrine that runs.", registry=REGISTRY).info(
    {"version": version("vitrine")}
)


class Snapshot(NamedTuple):
    """What one replica has counted.

    Attributes:
        deployment: of the replica.
        replica: its id.
        metrics: its own.
        node: address of its node.
        node_metrics: the node's, which every replica on it may tell.
    """

    deployment: str
    replica: str
    metrics: Sequence[Metric]
    node: str = ""
    node_metrics: Sequence[Metric] = ()


def take_snapshot(deployment: str, replica: str) -> Snapshot:
    """Take the snapshot of this process."""
    return Snapshot(deployment, replica, list(REGISTRY.collect()))


def clean_value(text: str) -> str:
    """Make any text the value of a label: not too long, and such that UTF-8 can express it."""
    return text[:MAX_VALUE].encode("utf-8", "replace").decode()


def render_metrics(
    snapshots: Iterable[Snapshot], silent: Mapping[str, int], accept: str
) -> tuple[bytes, str]:
    """Render the page.

    Args:
        snapshots: of the replicas that have answered.
        silent: by deployment, replicas that have not.
        accept: header of the request: OpenMetrics or Prometheus' older text.

    Returns:
        The page and its content type.
    """
    try:
        encode, content_type = choose_encoder(accept)
    except TypeError:  # it compares a version that is no number
        encode, content_type = choose_encoder("")
    return encode(_Page(snapshots, silent)), content_type


class _Page(Collector):
    """Metrics of many replicas, told apart by the labels `deployment` and `replica`.

    Those of a node have the label `node`, and each series is there once, whoever tells it.
    """

    def __init__(self, snapshots: Iterable[Snapshot], silent: Mapping[str, int]) -> None:
        text = "Replicas that did not answer in time, so that their series are missing here."
        missing = GaugeMetricFamily("vitrine_silent_replicas", text, labels=["deployment"])
        for deployment, count in silent.items():
            missing.add_metric([deployment], count)
        self._found: dict[str, Metric] = {missing.name: missing}
        self._nodes: dict[str, set[tuple[str, ...]]] = {}
        for snapshot in snapshots:
            origin = {"deployment": snapshot.deployment, "replica": snapshot.replica}
            for metric in snapshot.metrics:
                self._add(metric, metric.samples, origin)
            for metric in snapshot.node_metrics:
                self._add(metric, self._choose_new(snapshot.node, metric), {"node": snapshot.node})

    def collect(self) -> Iterable[Metric]:
        """Give each metric once, with the samples of all replicas."""
        return self._found.values()

    def _add(self, metric: Metric, samples: Iterable[Sample], origin: dict[str, str]) -> None:
        """Add samples of a metric, with where they come from."""
        whole = self._found.get(metric.name)
        if whole is None:
            whole = Metric(metric.name, metric.documentation, metric.type, metric.unit)
            self._found[metric.name] = whole
        whole.samples += [sample._replace(labels=origin | sample.labels) for sample in samples]

    def _choose_new(self, node: str, metric: Metric) -> list[Sample]:
        """Choose the samples of a node that no other replica has told."""
        told = self._nodes.setdefault(node, set())
        keys = {(one.name, *one.labels.values()): one for one in metric.samples}
        new = [sample for key, sample in keys.items() if key not in told]
        told.update(keys)
        return new
