"""Whether there is a GPU. It asks the driver first: importing torch takes seconds and 150 MB."""

import ctypes
import sys
from importlib.metadata import version
from pathlib import Path

from app.errors import SettingsError

_AMD = Path("/dev/kfd")


def has_gpu(device: str) -> bool:
    """Tell whether the model runs on a GPU; raises SettingsError."""
    if device == "cpu" or (device == "auto" and not may_have_gpu()):
        return False
    import torch  # noqa: PLC0415 - heavy

    if device == "cuda" and not torch.cuda.is_available():
        raise SettingsError("VITRINE_DEVICE=cuda, but torch sees no GPU. Set it to auto or cpu.")
    return torch.cuda.is_available()


def may_have_gpu() -> bool:
    """Tell whether torch must be asked: False only where it certainly sees no GPU.

    torch reaches an NVIDIA GPU through the driver's library alone, which heeds
    CUDA_VISIBLE_DEVICES as torch does.
    """
    if sys.platform != "linux":
        return sys.platform != "darwin"
    if version("torch").endswith("+cpu"):
        return False
    try:
        return _AMD.exists() or ctypes.CDLL("libcuda.so.1").cuInit(0) == 0
    except (OSError, AttributeError):  # there is no driver, or none that is NVIDIA's
        return False
