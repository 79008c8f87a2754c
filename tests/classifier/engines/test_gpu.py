"""Whether there is a GPU: the answer without torch is torch's."""

import ctypes
from pathlib import Path

import pytest
import torch

from app.classifier.engines import gpu
from app.classifier.engines.gpu import has_gpu, may_have_gpu


class Driver:
    """The NVIDIA driver's library."""

    def __init__(self, result: int) -> None:
        self.result = result

    def cuInit(self, flags: int) -> int:  # noqa: N802 - the driver's name
        """Return 0 where there is a GPU, and 100 where there is none."""
        assert flags == 0
        return self.result


def test_the_answer_is_torchs() -> None:
    """No GPU that torch sees is missed."""
    assert has_gpu("auto") == torch.cuda.is_available()
    assert not has_gpu("cpu")


@pytest.mark.parametrize(
    ("result", "expected"), [(0, True), (100, False), (OSError, False), (AttributeError, False)]
)
def test_the_driver_is_asked_where_torch_can_use_it(
    result: int | type[Exception],
    expected: bool,  # noqa: FBT001 - a parameter of the test
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A library that cannot be loaded, or is another one, is no driver."""

    def load(name: str) -> Driver:
        assert name == "libcuda.so.1"
        if isinstance(result, type):
            raise result(name)
        return Driver(result)

    monkeypatch.setattr(gpu, "version", lambda _package: "2.13.0")
    monkeypatch.setattr(gpu, "_AMD", Path("/dev/no-such-device"))
    monkeypatch.setattr(ctypes, "CDLL", load)
    assert may_have_gpu() == expected
    monkeypatch.setattr(gpu, "version", lambda _package: "2.13.0+cpu")
    assert not may_have_gpu()


def test_an_amd_gpu_is_left_to_torch(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Its driver is a device file."""
    monkeypatch.setattr(gpu, "version", lambda _package: "2.13.0+rocm7")
    monkeypatch.setattr(gpu, "_AMD", tmp_path)
    assert may_have_gpu()
