"""Metrics of the GPU that a classifier's model runs on, which others may share."""

from collections.abc import Sequence

from prometheus_client.metrics_core import Metric


def read_gpu(device: str) -> Sequence[Metric]:
    """Read the GPU's memory, and how busy it is where nvidia-ml-py is installed.

    Args:
        device: of the model, such as `cuda`; nothing is read for `cpu`.
    """
    if not device.startswith("cuda"):
        return []
    import torch  # noqa: PLC0415 - heavy

    labels = {"gpu": str(torch.cuda.get_device_properties(device).uuid)}
    free, total = torch.cuda.mem_get_info(device)
    figures: list[tuple[str, str, float]] = [
        ("vitrine_gpu_memory_bytes", "Bytes of the GPU's memory in use, by all.", total - free),
        ("vitrine_gpu_memory_capacity_bytes", "Bytes of the GPU's memory.", total),
    ]
    try:
        busy = torch.cuda.utilization(device) / 100
    except (ModuleNotFoundError, RuntimeError):  # without nvidia-ml-py, or without its driver
        pass
    else:
        text = "Share of the last moments in which the GPU computed."
        figures.append(("vitrine_gpu_utilization_ratio", text, busy))
    metrics = []
    for name, text, value in figures:
        metric = Metric(name, text, "gauge")
        metric.add_sample(name, labels, value)
        metrics.append(metric)
    return metrics
