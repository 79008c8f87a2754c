"""What is told of a GPU."""

import pytest
import torch

from app.classifier.gpu_metrics import read_gpu

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU")


def test_the_gpu_of_the_model_is_told() -> None:
    """Its memory, always; how busy it is, where nvidia-ml-py is installed."""
    found = {metric.name: metric.samples[0].value for metric in read_gpu("cuda")}
    used, total = found["vitrine_gpu_memory_bytes"], found["vitrine_gpu_memory_capacity_bytes"]
    assert 0 < used <= total
    assert 0 <= found.get("vitrine_gpu_utilization_ratio", 0) <= 1
