"""OpenVINO on a CPU, converted from a checkpoint or read from what `vitrine quantize` wrote.

OpenVINO would compute in bf16 on every CPU that can; this engine sets the precision explicitly.
"""

import json
import sys
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, cast

import numpy as np

sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]
# Without this line, importing OpenVINO sends telemetry; with it, OpenVINO uses its stub.
import openvino as ov  # noqa: E402 - see above

from app.backend import Logits, Pixels  # noqa: E402
from app.classifier.checkpoint.loader_errors import silence, translate_loader_errors  # noqa: E402
from app.classifier.engines.engine import EngineInput, EngineName, Precision  # noqa: E402
from app.errors import CheckpointError, SettingsError  # noqa: E402

if TYPE_CHECKING:
    from app.classifier.engines.network import Network

_FIX_CONVERT = "Set VITRINE_ENGINE=torch; OpenVINO does not know this architecture."
_FIX_WRITE = "Look at the reason; is there room on the disk? Else serve it in fp32."
_FIX_READ = "Run `vitrine quantize` again."

CHECK_BATCH = 5
"""Images that a conversion is checked on; it was traced on two."""

TOLERANCE: dict[Precision, float] = {"fp32": 1e-3, "bf16": 0.2}
"""Maximum difference of a logit from torch's in fp32, relative and absolute."""

_HINTS: dict[Precision, str] = {"fp32": "f32", "bf16": "bf16", "int8": "f32"}
"""Precision of the layers that are not quantized."""


def convert_checkpoint(engine_input: EngineInput, precision: Precision) -> "OpenvinoEngine":
    """Build an engine straight from a checkpoint.

    Raises:
        CheckpointError: OpenVINO cannot convert it.
        SettingsError: the CPU lacks the precision.
    """
    import torch  # noqa: PLC0415 - a quantized checkpoint does without

    from app.classifier.engines.network import load_network, make_example  # noqa: PLC0415

    network = load_network(engine_input, "fp32", torch.device("cpu"))
    example = make_example(engine_input, CHECK_BATCH)
    engine = OpenvinoEngine(convert_network(engine_input, network), precision)
    with translate_loader_errors(
        f"the model of {engine_input.checkpoint.folder} fails", _FIX_CONVERT
    ):
        with torch.inference_mode():
            expected = network(example).numpy()
        tolerance = TOLERANCE[precision]
        if not np.allclose(engine.run(example.numpy()), expected, tolerance, tolerance):
            raise ValueError("OpenVINO gives other logits than torch")
    return engine


def convert_network(engine_input: EngineInput, network: "Network") -> ov.Model:
    """Convert a network in fp32; raises CheckpointError."""
    from app.classifier.engines.network import make_example  # noqa: PLC0415

    example = make_example(engine_input, 2)
    subject = f"the model of {engine_input.checkpoint.folder} cannot be converted"
    with translate_loader_errors(subject, _FIX_CONVERT), silence(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that shapes become constants: they are constant here
        shape = [-1, *example.shape[1:]]
        return ov.convert_model(network, example_input=example, input=[shape])


def write_quantized(engine_input: EngineInput, images: list[Pixels], path: Path) -> None:
    """Quantize a checkpoint to int8 on calibration images, with a progress bar, and write it."""
    import nncf  # noqa: PLC0415 - serving never needs it
    import torch  # noqa: PLC0415 - a quantized checkpoint does without

    from app.classifier.engines.network import load_network  # noqa: PLC0415

    model = convert_network(engine_input, load_network(engine_input, "fp32", torch.device("cpu")))
    dataset = nncf.Dataset(images, lambda pixels: pixels[np.newaxis])
    with translate_loader_errors(
        f"the model of {engine_input.checkpoint.folder} cannot be quantized", _FIX_WRITE
    ):
        quantized = nncf.quantize(
            model,
            dataset,
            model_type=nncf.ModelType.TRANSFORMER,
            preset=nncf.QuantizationPreset.MIXED,
            subset_size=len(images),
        )
        quantized.set_rt_info(json.dumps(engine_input.checkpoint.labels), ["vitrine", "labels"])
        ov.save_model(quantized, path, compress_to_fp16=False)


def read_quantized(engine_input: EngineInput) -> "OpenvinoEngine":
    """Build an engine from a quantized checkpoint; raises CheckpointError."""
    path, size = engine_input.checkpoint.quantized, engine_input.geometry.size
    with translate_loader_errors(f"the quantized model {path} cannot be read", _FIX_READ):
        model = ov.Core().read_model(path)
        height, width = (model.input().partial_shape[axis].get_length() for axis in (1, 2))
    if (height, width) != size:
        message = (
            f"{path} was made for {height} x {width} pixels, but its image processor gives "
            f"{size[0]} x {size[1]}. {_FIX_READ}"
        )
        raise CheckpointError(message)
    return OpenvinoEngine(model, "int8")


class OpenvinoEngine:
    """OpenVINO on a CPU.

    Args:
        model: from pixels `[n, height, width, 3]` to logits `[n, labels]`.
        precision: `fp32`, `bf16` or `int8`.

    Raises:
        SettingsError: the CPU lacks the precision.
    """

    name: EngineName = "openvino"
    device = "cpu"
    slots = 1

    def __init__(self, model: ov.Model, precision: Precision) -> None:
        self.precision = precision
        self._model = model
        self._core = ov.Core()
        capabilities = self._core.get_property("CPU", "OPTIMIZATION_CAPABILITIES")
        if precision == "bf16" and "BF16" not in capabilities:
            raise SettingsError("VITRINE_PRECISION=bf16, but this CPU lacks it. Set it to fp32.")
        self._threads = -1
        self.set_threads(0)  # OpenVINO's own choice

    def run(self, pixels: Pixels) -> Logits:
        """Run pixels to logits."""
        result = self._request.infer([pixels], share_inputs=True)
        return cast("Logits", np.array(result[0], dtype=np.float32))

    def set_threads(self, count: int) -> None:
        """Compile for `count` threads, while no batch runs."""
        if count == self._threads:
            return
        self._threads = count
        options: dict[str, str | int] = {
            "PERFORMANCE_HINT": "LATENCY",
            "INFERENCE_NUM_THREADS": count,
            "INFERENCE_PRECISION_HINT": _HINTS[self.precision],
        }
        compiled = self._core.compile_model(self._model, "CPU", options)
        self._request = compiled.create_infer_request()
