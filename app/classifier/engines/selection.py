"""Engine selection by the settings, the checkpoint and this machine.

    device  engine     runs                                                      precision
    cpu     torch      a traced graph if its logits are equal, else the module   fp32 bf16
    cpu     compile    torch.compile with frozen weights                         fp32 bf16
    cpu     openvino   OpenVINO, converted from the checkpoint or quantized      fp32 bf16 int8
    cuda    torch      CUDA graphs of the module                                 fp32 bf16 fp16
    cuda    compile    CUDA graphs of the compiled module                        fp32 bf16 fp16

On a CPU, `auto` selects OpenVINO if it is installed, else torch, in fp32: equal to the
checkpoint's own pipeline. On a GPU it selects torch in half precision: on an H200 compile was
slower and took a minute longer to start. int8 needs a checkpoint that `vitrine quantize` wrote.
Only the selected engine is imported.
"""

import logging
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

from app.classifier.checkpoint.files import Checkpoint
from app.classifier.checkpoint.loader_errors import translate_loader_errors
from app.classifier.engines.engine import Engine, EngineInput, EngineName, Precision
from app.classifier.engines.gpu import has_gpu
from app.errors import ConversionError, SettingsError

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
        cache: folder of converted models, or None to keep none.
    """

    device: str = "auto"
    engine: EngineName | Literal["auto"] = "auto"
    precision: Precision | Literal["auto"] = "auto"
    buckets: tuple[int, ...] = (1, 2, 4, 8, 16, 32)
    cache: Path | None = None


def build_engine(checkpoint: Checkpoint, options: EngineOptions) -> tuple[Engine, EngineInput]:
    """Build the engine of the options, or the best one if they say `auto`; and what it runs.

    Raises:
        CheckpointError: the checkpoint cannot be loaded.
        SettingsError: this machine lacks what the options ask for.
    """
    precision = choose_openvino(checkpoint, options)
    if precision is not None:
        from app.classifier.engines.openvino import load_openvino  # noqa: PLC0415

        try:
            return load_openvino(checkpoint, precision, options.cache)
        except ConversionError as exc:
            if options.engine == "openvino":
                raise
            _logger.warning("going on with torch: %s", exc)
    from app.classifier.checkpoint.processor import load_processor  # noqa: PLC0415 - heavy

    engine_input = EngineInput(checkpoint, *load_processor(checkpoint.processor_folder))
    return _build_torch(engine_input, options), engine_input


def choose_openvino(checkpoint: Checkpoint, options: EngineOptions) -> Precision | None:
    """Choose the precision in which OpenVINO runs the checkpoint; None where torch runs it.

    Raises:
        SettingsError: the options do not fit the checkpoint or this machine.
    """
    if checkpoint.quantized is not None:
        _check_quantized(checkpoint, options)
        return "int8"
    if options.precision == "int8":
        message = (
            f"VITRINE_PRECISION=int8, but {checkpoint.folder} is not quantized. Run "
            "`vitrine quantize --images FOLDER --out FOLDER` and serve what it writes."
        )
        raise SettingsError(message)
    is_default = options.engine == "auto" and options.precision in {"auto", "fp32"}
    if not (options.engine == "openvino" or (is_default and _is_installed("openvino"))):
        return None
    if has_gpu(options.device):
        return None
    check_installed("openvino", _OPENVINO_ADVICE)
    return _choose_cpu_precision(options)


def check_options(checkpoint: Checkpoint, options: EngineOptions) -> None:
    """Raise SettingsError where the options do not fit the checkpoint or this machine."""
    if choose_openvino(checkpoint, options) is None and not has_gpu(options.device):
        _choose_cpu_precision(options)


def _build_torch(engine_input: EngineInput, options: EngineOptions) -> Engine:
    """Build an engine of torch."""
    if has_gpu(options.device):
        return _build_cuda(engine_input, options)
    from app.classifier.engines.torch_cpu import CpuEngine  # noqa: PLC0415

    is_compiled = options.engine == "compile"
    return CpuEngine(engine_input, _choose_cpu_precision(options), is_compiled=is_compiled)


def build_eager_engine(engine_input: EngineInput, device: str) -> Engine:
    """Build the engine without a graph, in fp32, as the fallback of half precision."""
    from app.classifier.engines.torch_eager import EagerEngine  # noqa: PLC0415

    return EagerEngine(engine_input, device)


def check_installed(package: str, advice: str) -> None:
    """Raise SettingsError, with advice, if an optional package is not installed."""
    if not _is_installed(package):
        raise SettingsError(f"{package} is not installed. {advice}")


def _check_quantized(checkpoint: Checkpoint, options: EngineOptions) -> None:
    """Refuse options that a quantized checkpoint does not run with."""
    asked = (options.device, options.engine, options.precision)
    for name, value, fit in zip(
        ("DEVICE", "ENGINE", "PRECISION"), asked, ("cpu", "openvino", "int8"), strict=True
    ):
        if value not in {"auto", fit}:
            message = (
                f"VITRINE_{name}={value}, but {checkpoint.folder} is quantized: "
                f"it runs with {fit}. Set VITRINE_{name} to it or to auto."
            )
            raise SettingsError(message)
    check_installed("openvino", _OPENVINO_ADVICE)


def _build_cuda(engine_input: EngineInput, options: EngineOptions) -> Engine:
    """Build an engine for the GPU."""
    if options.engine == "openvino":
        message = "VITRINE_ENGINE=openvino runs on the CPU. Set VITRINE_DEVICE=cpu, or auto here."
        raise SettingsError(message)
    from app.classifier.engines.torch_cuda import CudaEngine, choose_precision  # noqa: PLC0415

    precision = choose_precision(options.precision)
    with translate_loader_errors(
        f"the model of {engine_input.checkpoint.folder} does not run on this GPU",
        "Set VITRINE_PROCESSOR to the processor that it was tuned with, or VITRINE_DEVICE=cpu.",
    ):
        return CudaEngine(
            engine_input, precision, options.buckets, is_compiled=options.engine == "compile"
        )


def _choose_cpu_precision(options: EngineOptions) -> Precision:
    """Choose the precision on a CPU: fp32 by default; raises SettingsError."""
    if options.precision == "auto":
        return "fp32"
    if options.precision == "fp16":
        raise SettingsError("VITRINE_PRECISION=fp16 needs a GPU. Set it to fp32 or bf16 on a CPU.")
    return options.precision


def _is_installed(package: str) -> bool:
    """Tell whether a package is installed, without importing it."""
    return find_spec(package) is not None
