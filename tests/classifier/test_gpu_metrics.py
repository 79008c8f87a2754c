"""What is told of a GPU whose driver fails; tests/gpu has one that works."""

import sys
from types import SimpleNamespace

import pytest
import torch

from app.classifier.gpu_metrics import read_gpu


class NVMLError(Exception):
    """As that of nvidia-ml-py, which is no RuntimeError."""


def raise_lost(_device: str) -> None:
    """Fail as CUDA does."""
    raise RuntimeError("CUDA error: unspecified launch failure")


def raise_unsupported(_device: str) -> None:
    """Fail as NVML does."""
    raise NVMLError("Not Supported")


@pytest.fixture
def driver(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """A driver with one GPU."""
    monkeypatch.setitem(sys.modules, "pynvml", SimpleNamespace(NVMLError=NVMLError))
    monkeypatch.setattr(
        torch.cuda, "get_device_properties", lambda _device: SimpleNamespace(uuid="GPU-1")
    )
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda _device: (1, 4))
    monkeypatch.setattr(torch.cuda, "utilization", lambda _device: 50)
    return monkeypatch


def read() -> dict[str, float]:
    """Read the figures of the GPU."""
    metrics = read_gpu("cuda")
    assert {sample.labels["gpu"] for one in metrics for sample in one.samples} <= {"GPU-1"}
    return {metric.name: metric.samples[0].value for metric in metrics}


MEMORY = {"vitrine_gpu_memory_bytes": 3, "vitrine_gpu_memory_capacity_bytes": 4}


def test_memory_and_use_are_told(driver: pytest.MonkeyPatch) -> None:
    """In bytes, and as a share."""
    assert driver
    assert read() == MEMORY | {"vitrine_gpu_utilization_ratio": 0.5}


def test_a_figure_that_the_driver_has_not_is_left_out(driver: pytest.MonkeyPatch) -> None:
    """The others are told."""
    driver.setattr(torch.cuda, "utilization", raise_unsupported)
    assert read() == MEMORY


@pytest.mark.parametrize("name", ["get_device_properties", "mem_get_info"])
def test_a_lost_gpu_does_not_take_the_other_metrics_along(
    driver: pytest.MonkeyPatch, name: str
) -> None:
    """Those of its replica tell that the model fails."""
    for one in (name, "utilization"):
        driver.setattr(torch.cuda, one, raise_lost)
    assert read() == {}


def test_a_cpu_is_not_asked() -> None:
    """There is nothing to read."""
    assert read_gpu("cpu") == []
