"""What the HTTP, gRPC and Python APIs of one process share; `build_services` makes it once."""

from dataclasses import dataclass

from app.api.open_inference.service import InferenceService
from app.auth.authenticator import Authenticator
from app.auth.keys import Key
from app.fetching.fetcher import Fetcher
from app.fetching.host_rules import HostRules
from app.prediction.explanations import Explanations
from app.prediction.predictor import Predictor
from app.prediction.probe import Probe


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
    """

    predictor: Predictor
    explanations: Explanations
    probe: Probe
    inference: InferenceService
    authenticator: Authenticator
    fetcher: Fetcher | None


def build_services(
    predictor: Predictor,
    keys: tuple[Key, ...] = (),
    host_rules: HostRules | None = None,
    explanations: Explanations | None = None,
) -> Services:
    """Build the services over a predictor.

    Args:
        predictor: the core.
        keys: keys that are accepted; without any, no key is asked for.
        host_rules: hosts whose images are fetched by URL; None where nothing is fetched.
        explanations: the core of explanations; None where there are none.
    """
    probe = Probe(predictor)
    return Services(
        predictor=predictor,
        explanations=explanations or Explanations(predictor),
        probe=probe,
        inference=InferenceService(predictor, probe),
        authenticator=Authenticator(keys),
        fetcher=Fetcher(host_rules, predictor.limits.max_bytes) if host_rules else None,
    )
