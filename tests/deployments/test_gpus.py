"""How many GPUs a classifier asks Ray for."""

import pytest
import ray

from app.deployments.gpus import count_gpus
from app.errors import SettingsError
from app.settings import Settings


@pytest.mark.parametrize(
    ("settings", "available", "expected"),
    [
        (Settings(device="cpu"), 8, 0),
        (Settings(device="auto"), 0, 0),
        (Settings(device="auto"), 1, 1),
        (Settings(device="cuda", gpus_per_replica=0.5, classifier_replicas=2), 1, 0.5),
    ],
)
def test_a_classifier_asks_for_what_is_set_where_there_are_gpus(
    monkeypatch: pytest.MonkeyPatch, settings: Settings, available: float, expected: float
) -> None:
    """On the CPU, and where `auto` finds none, it asks for none."""
    monkeypatch.setattr(ray, "cluster_resources", lambda: {"GPU": available} if available else {})
    assert count_gpus(settings) == expected


@pytest.mark.parametrize("device", ["auto", "cuda"])
def test_more_gpus_than_there_are_is_told(monkeypatch: pytest.MonkeyPatch, device: str) -> None:
    """Ray would wait for them for ever."""
    monkeypatch.setattr(ray, "cluster_resources", lambda: {"GPU": 1.0})
    with pytest.raises(SettingsError, match=r"asks for 64 GPUs and .* Ray sees 1\. Lower them"):
        count_gpus(Settings(device=device, gpus_per_replica=64))  # type: ignore[arg-type]


def test_the_explainer_needs_a_share_beside_the_classifiers(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Else it would never start, and each explanation would wait for it."""
    monkeypatch.setattr(ray, "cluster_resources", lambda: {"GPU": 1.0})
    with pytest.raises(SettingsError, match=r"VITRINE_EXPLAINER_GPUS for 0\.25, but Ray sees 1"):
        count_gpus(Settings(device="cuda", explainer_gpus=0.25))
    for device in ("cpu", "auto"):
        monkeypatch.setattr(ray, "cluster_resources", dict)
        with pytest.raises(SettingsError, match="VITRINE_EXPLAINER_GPUS"):
            count_gpus(Settings(device=device, explainer_gpus=0.25))
    assert count_gpus(Settings(device="auto", explainer_gpus=0.25), may_grow=True) == 0
    monkeypatch.setattr(ray, "cluster_resources", lambda: {"GPU": 1.0})
    shared = Settings(device="cuda", explainer_gpus=0.25, gpus_per_replica=0.75)
    assert count_gpus(shared) == 0.75
    none = Settings(device="cuda", explainer_gpus=0.25, explainer_replicas=0)
    assert count_gpus(none) == 1


def test_on_a_cluster_cuda_waits_for_its_nodes(monkeypatch: pytest.MonkeyPatch) -> None:
    """The pods with GPUs start after the head, or with the first replica that asks for one."""
    monkeypatch.setattr(ray, "cluster_resources", dict)
    assert count_gpus(Settings(device="cuda", classifier_replicas=2), may_grow=True) == 1
    assert count_gpus(Settings(device="auto"), may_grow=True) == 0
