"""Which engine runs a checkpoint, by what is asked for and what this machine has.

    device  engine     runs                                                     precision
    cpu     torch      a traced graph where it gives the same, else the module  fp32 bf16
    cpu     compile    torch.compile with frozen weights                        fp32 bf16
    cpu     openvino   OpenVINO, straight from the checkpoint or quantized      fp32 bf16 int8
    cuda    torch      CUDA graphs of the module                                fp32 bf16 fp16
    cuda    compile    CUDA graphs of the compiled module                       fp32 bf16 fp16

`auto` takes on a CPU OpenVINO where it is installed, else torch, in fp32: what the checkpoint's
own pipeline gives. On a GPU it takes compile where that is available, else torch, in half
precision. int8 is taken only where the checkpoint is one that `vitrine quantize` wrote. An engine
is imported when it is taken.
"""

import logging
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Literal

from app.classifier.checkpoint.loader_errors import translate_loader_errors
from app.classifier.engines.engine import Engine, EngineInput, EngineName, Precision
from app.errors import CheckpointError, SettingsError

_logger = logging.getLogger("vitrine.classifier")


@dataclass(frozen=True, slots=True)
class EngineOptions:
    """What is asked for, as the settings of these names have it.

    Attributes:
        device: `auto`, `cpu` or `cuda`.
        engine: `auto` or an engine's name.
        precision: `auto` or a precision.
        buckets: batch sizes that CUDA graphs are captured for; a batch runs in the smallest that
            holds it.
    """

    device: str = "auto"
    engine: EngineName | Literal["auto"] = "auto"
    precision: Precision | Literal["auto"] = "auto"
    buckets: tuple[int, ...] = (1, 2, 4, 8, 16, 32)


def build_engine(engine_input: EngineInput, options: EngineOptions) -> Engine:
    """Build the engine that is asked for, or the best that `auto` may take.

    Raises:
        CheckpointError: the checkpoint cannot be loaded.
        SettingsError: this machine lacks what is asked for.
    """
    if engine_input.checkpoint.quantized is not None:
        return _build_quantized(engine_input, options)
    if options.precision == "int8":
        message = (
            f"VITRINE_PRECISION=int8, but {engine_input.checkpoint.folder} is not quantized. Run "
            "`vitrine quantize --images FOLDER --out FOLDER` and serve what it writes."
        )
        raise SettingsError(message)
    if _has_gpu(options.device):
        return _build_cuda(engine_input, options)
    if options.engine == "openvino":
        return _build_openvino(engine_input, options)
    if options.engine == "auto" and _may_take_openvino(options):
        try:
            return _build_openvino(engine_input, options)
        except CheckpointError as exc:
            _logger.warning("going on with torch: %s", exc)
    from app.classifier.engines.torch_cpu import CpuEngine  # noqa: PLC0415

    is_compiled = options.engine == "compile"
    return CpuEngine(engine_input, _choose_cpu_precision(options), is_compiled=is_compiled)


def build_eager_engine(engine_input: EngineInput, device: str) -> Engine:
    """Build what cannot fail but for memory: the network itself, in fp32, on a device."""
    from app.classifier.engines.torch_eager import EagerEngine  # noqa: PLC0415

    return EagerEngine(engine_input, device)


def _build_openvino(engine_input: EngineInput, options: EngineOptions) -> Engine:
    """Build OpenVINO's engine straight from the checkpoint."""
    check_openvino()
    from app.classifier.engines.openvino import convert_checkpoint  # noqa: PLC0415

    return convert_checkpoint(engine_input, _choose_cpu_precision(options))


def check_openvino() -> None:
    """Refuse to go on without OpenVINO; raises SettingsError."""
    if not _is_installed("openvino"):
        message = (
            "OpenVINO is not installed. Run `pip install 'vitrine[openvino]'`, or set "
            "VITRINE_ENGINE=torch."
        )
        raise SettingsError(message)


def check_nncf() -> None:
    """Refuse to quantize without NNCF; raises SettingsError."""
    if not _is_installed("nncf"):
        message = "NNCF is not installed. Run `pip install 'vitrine[quantize]'`."
        raise SettingsError(message)


def _build_quantized(engine_input: EngineInput, options: EngineOptions) -> Engine:
    """Build the only engine that runs a quantized checkpoint."""
    asked = (options.device, options.engine, options.precision)
    for name, value, fit in zip(
        ("DEVICE", "ENGINE", "PRECISION"), asked, ("cpu", "openvino", "int8"), strict=True
    ):
        if value not in {"auto", fit}:
            message = (
                f"VITRINE_{name}={value}, but {engine_input.checkpoint.folder} is quantized: "
                f"it runs with {fit}. Set VITRINE_{name} to it or to auto."
            )
            raise SettingsError(message)
    check_openvino()
    from app.classifier.engines.openvino import read_quantized  # noqa: PLC0415

    return read_quantized(engine_input)


def _build_cuda(engine_input: EngineInput, options: EngineOptions) -> Engine:
    """Build an engine for the GPU."""
    if options.engine == "openvino":
        message = "VITRINE_ENGINE=openvino runs on the CPU. Set VITRINE_DEVICE=cpu, or auto here."
        raise SettingsError(message)
    from app.classifier.engines.torch_cuda import CudaEngine, choose_precision  # noqa: PLC0415

    is_compiled = options.engine == "compile" or (options.engine == "auto" and has_triton())
    precision = choose_precision(options.precision)
    with translate_loader_errors(
        f"the model of {engine_input.checkpoint.folder} does not run on this GPU",
        "Set VITRINE_PROCESSOR to the processor that it was tuned with, or VITRINE_DEVICE=cpu.",
    ):
        return CudaEngine(engine_input, precision, options.buckets, is_compiled=is_compiled)


def has_triton() -> bool:
    """Tell whether torch.compile can make kernels for the GPU."""
    return _is_installed("triton")


def _choose_cpu_precision(options: EngineOptions) -> Precision:
    """Choose what a CPU computes in: fp32 unless told otherwise."""
    if options.precision == "auto":
        return "fp32"
    if options.precision == "fp16":
        message = "VITRINE_PRECISION=fp16 needs a GPU. Set it to fp32 or bf16 on a CPU."
        raise SettingsError(message)
    return options.precision


def _may_take_openvino(options: EngineOptions) -> bool:
    """Tell whether `auto` takes OpenVINO: where it is installed."""
    return options.precision in {"auto", "fp32"} and _is_installed("openvino")


def _has_gpu(device: str) -> bool:
    """Tell whether the model goes to a GPU; raises SettingsError."""
    if device == "cpu":
        return False
    import torch  # noqa: PLC0415 - heavy

    if device == "cuda" and not torch.cuda.is_available():
        message = "VITRINE_DEVICE=cuda, but torch sees no GPU. Set it to auto or cpu."
        raise SettingsError(message)
    return torch.cuda.is_available()


def _is_installed(package: str) -> bool:
    """Tell whether a package is there, without importing it."""
    return find_spec(package) is not None
