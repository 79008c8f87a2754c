"""What the HTTP, gRPC and Python APIs of one process share; `build_services` makes it once."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from app.api.open_inference.service import InferenceService
from app.auth.authenticator import Authenticator
from app.auth.keys import Key
from app.fetching.fetcher import Fetcher
from app.fetching.host_rules import HostRules
from app.observability.call_recorder import CallRecorder
from app.observability.metrics import Snapshot
from app.prediction.explanations import Explanations
from app.prediction.predictor import Predictor
from app.prediction.probe import Probe

METRICS_PORT = "x-vitrine-metrics"
"""Header of requests that come by the port of the metrics; HAProxy takes it off all others."""


@dataclass(frozen=True, slots=True)
class Metrics:
    """The metrics of the whole service.

    Attributes:
        collect: collects the snapshots of its replicas, and how many gave none, by deployment.
        access: who may read them on the port of the API: `VITRINE_METRICS`.
        has_port: whether HAProxy has a port for them alone, and says so of what comes by it.
    """

    collect: Callable[[], Awaitable[tuple[Sequence[Snapshot], Mapping[str, int]]]]
    access: Literal["keyed", "open", "off"]
    has_port: bool = False

    def is_open(self, headers: Mapping[str, str]) -> bool:
        """Tell whether a request needs no key."""
        return self.access == "open" or self._came_by_port(headers)

    def is_shown(self, headers: Mapping[str, str]) -> bool:
        """Tell whether they are answered at all."""
        return self.access != "off" or self._came_by_port(headers)

    def _came_by_port(self, headers: Mapping[str, str]) -> bool:
        """Tell whether a request came by the port for them alone."""
        return self.has_port and METRICS_PORT in headers


@dataclass(frozen=True, slots=True)
class Services:
    """What answers requests.

    Attributes:
        predictor: classifies images; its limits are the requests' too.
        explanations: explains images.
        probe: tells whether the predictor works.
        inference: the predictor as the Open Inference Protocol sees it.
        authenticator: checks keys.
        fetcher: fetches images by URL; None where the service fetches nothing.
        metrics: None where none are shown.
        recorder: records calls.
    """

    predictor: Predictor
    explanations: Explanations
    probe: Probe
    inference: InferenceService
    authenticator: Authenticator
    fetcher: Fetcher | None
    metrics: Metrics | None = None
    recorder: CallRecorder = field(default_factory=CallRecorder)


def build_services(
    predictor: Predictor,
    keys: tuple[Key, ...] = (),
    host_rules: HostRules | None = None,
    explanations: Explanations | None = None,
    metrics: Metrics | None = None,
) -> Services:
    """Build the services over a predictor.

    Args:
        predictor: the core.
        keys: keys that are accepted; without any, no key is asked for.
        host_rules: hosts whose images are fetched by URL; None where nothing is fetched.
        explanations: the core of explanations; None where there are none.
        metrics: None where none are shown.
    """
    probe = Probe(predictor)
    return Services(
        predictor=predictor,
        explanations=explanations or Explanations(predictor),
        probe=probe,
        inference=InferenceService(predictor, probe),
        authenticator=Authenticator(keys),
        fetcher=Fetcher(host_rules, predictor.limits.max_bytes) if host_rules else None,
        metrics=metrics,
    )
