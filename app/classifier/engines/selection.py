"""Engine selection by the settings, the checkpoint and this machine.

    device  engine     runs                                                      precision
    cpu     torch      a traced graph if its logits are equal, else the module   fp32 bf16
    cpu     compile    torch.compile with frozen weights                         fp32 bf16
    cpu     openvino   OpenVINO, converted from the checkpoint or quantized      fp32 bf16 int8
    cuda    torch      CUDA graphs of the module                                 fp32 bf16 fp16
    cuda    compile    CUDA graphs of the compiled module                        fp32 bf16 fp16

On a CPU, `auto` selects OpenVINO if it is installed, else torch, in fp32: equal to the
checkpoint's own pipeline. On a GPU it selects compile if Triton is installed, else torch, in half
precision. int8 needs a checkpoint that `vitrine quantize` wrote. Only the selected engine is
imported.
"""

import logging
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Literal

from app.classifier.checkpoint.loader_errors import translate_loader_errors
from app.classifier.engines.engine import Engine, EngineInput, EngineName, Precision
from app.errors import CheckpointError, SettingsError

_OPENVINO_ADVICE = "Run `pip install 'vitrine[openvino]'`, or set VITRINE_ENGINE=torch."

_logger = logging.getLogger("vitrine.classifier")


@dataclass(frozen=True, slots=True)
class EngineOptions:
    """The settings of these names.

    Attributes:
        device: `auto`, `cpu` or `cuda`.
        engine: `auto` or an engine's name.
        precision: `auto` or a precision.
        buckets: batch sizes that CUDA graphs are captured for; a batch runs in the smallest
            sufficient one.
    """

    device: str = "auto"
    engine: EngineName | Literal["auto"] = "auto"
    precision: Precision | Literal["auto"] = "auto"
    buckets: tuple[int, ...] = (1, 2, 4, 8, 16, 32)


def build_engine(engine_input: EngineInput, options: EngineOptions) -> Engine:
    """Build the engine of the options, or the best one if they say `auto`.

    Raises:
        CheckpointError: the checkpoint cannot be loaded.
        SettingsError: this machine lacks what the options ask for.
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
    is_fp32 = options.precision in {"auto", "fp32"}
    if options.engine == "auto" and is_fp32 and _is_installed("openvino"):
        try:
            return _build_openvino(engine_input, options)
        except CheckpointError as exc:
            _logger.warning("going on with torch: %s", exc)
    from app.classifier.engines.torch_cpu import CpuEngine  # noqa: PLC0415

    is_compiled = options.engine == "compile"
    return CpuEngine(engine_input, _choose_cpu_precision(options), is_compiled=is_compiled)


def build_eager_engine(engine_input: EngineInput, device: str) -> Engine:
    """Build the engine without a graph, in fp32, as the fallback of half precision."""
    from app.classifier.engines.torch_eager import EagerEngine  # noqa: PLC0415

    return EagerEngine(engine_input, device)


def _build_openvino(engine_input: EngineInput, options: EngineOptions) -> Engine:
    """Build OpenVINO's engine from a checkpoint that is not quantized."""
    check_installed("openvino", _OPENVINO_ADVICE)
    from app.classifier.engines.openvino import convert_checkpoint  # noqa: PLC0415

    return convert_checkpoint(engine_input, _choose_cpu_precision(options))


def check_installed(package: str, advice: str) -> None:
    """Raise SettingsError, with advice, if an optional package is not installed."""
    if not _is_installed(package):
        raise SettingsError(f"{package} is not installed. {advice}")


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
    check_installed("openvino", _OPENVINO_ADVICE)
    from app.classifier.engines.openvino import read_quantized  # noqa: PLC0415

    return read_quantized(engine_input)


def _build_cuda(engine_input: EngineInput, options: EngineOptions) -> Engine:
    """Build an engine for the GPU."""
    if options.engine == "openvino":
        message = "VITRINE_ENGINE=openvino runs on the CPU. Set VITRINE_DEVICE=cpu, or auto here."
        raise SettingsError(message)
    from app.classifier.engines.torch_cuda import CudaEngine, choose_precision  # noqa: PLC0415

    is_compiled = options.engine == "compile" or (
        options.engine == "auto" and _is_installed("triton")
    )
    precision = choose_precision(options.precision)
    with translate_loader_errors(
        f"the model of {engine_input.checkpoint.folder} does not run on this GPU",
        "Set VITRINE_PROCESSOR to the processor that it was tuned with, or VITRINE_DEVICE=cpu.",
    ):
        return CudaEngine(engine_input, precision, options.buckets, is_compiled=is_compiled)


def _choose_cpu_precision(options: EngineOptions) -> Precision:
    """Choose the precision on a CPU: fp32 by default; raises SettingsError."""
    if options.precision == "auto":
        return "fp32"
    if options.precision == "fp16":
        raise SettingsError("VITRINE_PRECISION=fp16 needs a GPU. Set it to fp32 or bf16 on a CPU.")
    return options.precision


def _has_gpu(device: str) -> bool:
    """Tell whether the model runs on a GPU; raises SettingsError."""
    if device == "cpu":
        return False
    import torch  # noqa: PLC0415 - heavy

    if device == "cuda" and not torch.cuda.is_available():
        raise SettingsError("VITRINE_DEVICE=cuda, but torch sees no GPU. Set it to auto or cpu.")
    return torch.cuda.is_available()


def _is_installed(package: str) -> bool:
    """Tell whether a package is installed, without importing it."""
    return find_spec(package) is not None
