"""Metrics of the GPU that a classifier's model runs on, which others may share."""

import contextlib
import importlib
from collections.abc import Callable, Iterator, Sequence

from prometheus_client.metrics_core import Metric

Figure = tuple[str, str, float]
"""Name, help and value of a metric."""


def read_gpu(device: str) -> Sequence[Metric]:
    """Read the GPU's memory, and how busy it is where nvidia-ml-py is installed. It may block.

    A GPU that is lost has no figures; that is told by `vitrine_model_failing`.

    Args:
        device: of the model, such as `cuda`; nothing is read for `cpu`.
    """
    if not device.startswith("cuda"):
        return []
    import torch  # noqa: PLC0415 - heavy

    try:
        gpu = str(torch.cuda.get_device_properties(device).uuid)
    except RuntimeError:
        return []
    figures = [*_read(_read_memory, device), *_read(_read_use, device)]
    return [_make_metric(figure, gpu) for figure in figures]


def _read(figures: Callable[[str], Iterator[Figure]], device: str) -> list[Figure]:
    """Read some figures; none where the driver has none, or nvidia-ml-py is missing."""
    failures: tuple[type[Exception], ...] = (ModuleNotFoundError, RuntimeError)
    with contextlib.suppress(ModuleNotFoundError):
        failures += (importlib.import_module("pynvml").NVMLError,)  # it is no RuntimeError
    try:
        return list(figures(device))
    except failures:
        return []


def _read_memory(device: str) -> Iterator[Figure]:
    """Read the memory."""
    import torch  # noqa: PLC0415 - heavy

    free, total = torch.cuda.mem_get_info(device)
    yield "vitrine_gpu_memory_bytes", "Bytes of the GPU's memory in use, by all.", total - free
    yield "vitrine_gpu_memory_capacity_bytes", "Bytes of the GPU's memory.", total


def _read_use(device: str) -> Iterator[Figure]:
    """Read how busy it is."""
    import torch  # noqa: PLC0415 - heavy

    text = "Share of the last moments in which the GPU computed."
    yield "vitrine_gpu_utilization_ratio", text, torch.cuda.utilization(device) / 100


def _make_metric(figure: Figure, gpu: str) -> Metric:
    """Make the metric of a figure."""
    name, text, value = figure
    metric = Metric(name, text, "gauge")
    metric.add_sample(name, {"gpu": gpu}, value)
    return metric
