"""The service as the Open Inference Protocol v2 sees it: its model's state, and inference.

github.com/kserve/open-inference-protocol, with Triton's classification extension. HTTP and gRPC
translate to and from the values of this module.
"""

import asyncio
from collections.abc import Sequence
from contextlib import aclosing
from dataclasses import dataclass
from importlib.metadata import version

from app.api.open_inference.images import list_images
from app.api.open_inference.outputs import OUTPUTS, Wanted, build_output, choose_outputs
from app.api.open_inference.tensors import Tensor
from app.backend import Description
from app.errors import (
    DeadlineExceededError,
    InvalidRequestError,
    ModelUnavailableError,
    NotFoundError,
    ProblemError,
)
from app.prediction.bulk import Read, classify_each
from app.prediction.predictor import Predictor
from app.prediction.probe import Probe
from app.prediction.result import Classified
from schemas import ModelMetadata, PredictOptions, ServerMetadata, TensorMetadata

INPUT = "image"
EXTENSIONS = ["classification", "binary_tensor_data"]


@dataclass(frozen=True, slots=True)
class Call:
    """A request.

    Attributes:
        model_name: of the checkpoint.
        inputs: one, named `image`.
        outputs: those that are asked for; none for all.
        model_version: of the checkpoint; empty for whichever is served.
    """

    model_name: str
    inputs: Sequence[Tensor]
    outputs: Sequence[Wanted] = ()
    model_version: str = ""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a request is answered.

    Attributes:
        model_name: of the checkpoint.
        model_version: its revision that scored all images.
        outputs: as they were asked for.
    """

    model_name: str
    model_version: str
    outputs: Sequence[Tensor]


class InferenceService:
    """Answers what the protocol asks, over the core.

    Args:
        predictor: the core.
        probe: knows whether it works.
    """

    def __init__(self, predictor: Predictor, probe: Probe) -> None:
        self._predictor = predictor
        self._probe = probe

    def describe_server(self) -> ServerMetadata:
        """Describe the service."""
        return ServerMetadata(name="vitrine", version=version("vitrine"), extensions=EXTENSIONS)

    async def describe_model(self, name: str, version: str = "") -> ModelMetadata:
        """Describe the model; raises NotFoundError or ModelUnavailableError."""
        served = await self._predictor.describe()
        _check_model(served, name, version)
        shape = [-1, len(served.labels)]
        return ModelMetadata(
            name=served.model_id,
            versions=[served.revision],
            platform=served.engine,
            inputs=[TensorMetadata(name=INPUT, datatype="BYTES", shape=[-1])],
            outputs=[TensorMetadata(name=one, datatype="FP32", shape=shape) for one in OUTPUTS],
        )

    async def check_model_ready(self, name: str, version: str = "") -> None:
        """Check that this model answers; raises NotFoundError or ModelUnavailableError."""
        _check_model(await self._predictor.describe(), name, version)
        await self._probe.check()

    async def infer(self, call: Call, deadline: float) -> Answer:
        """Classify the images of a request, which fail together.

        Args:
            call: the request.
            deadline: time of the event loop until which it is answered.

        Raises:
            ProblemError: any row of the error table; an image's message begins with its index.
        """
        await self._find_model(call, deadline)
        if [tensor.name for tensor in call.inputs] != [INPUT]:
            raise InvalidRequestError(f"Send one input, named `{INPUT}`.")
        outputs = choose_outputs(call.outputs)
        reads = list_images(call.inputs[0], self._predictor.limits.max_bulk)
        images = await self._classify(reads, deadline)
        scored = images[0].description
        if {image.description.revision for image in images} != {scored.revision}:
            raise ModelUnavailableError("The model is being changed; try again in a moment.")
        _check_model(scored, call.model_name, call.model_version)
        tensors = [build_output(wanted, images) for wanted in outputs]
        return Answer(scored.model_id, scored.revision, tensors)

    async def _find_model(self, call: Call, deadline: float) -> None:
        """Refuse another model than the one that is served, before the images are read."""
        try:
            async with asyncio.timeout_at(deadline):
                served = await self._predictor.describe()
        except TimeoutError as exc:
            raise DeadlineExceededError("The model was not there in time.") from exc
        _check_model(served, call.model_name, call.model_version)

    async def _classify(self, reads: Sequence[Read], deadline: float) -> list[Classified]:
        """Classify all images; the first that fails ends the others and is raised."""
        images: dict[int, Classified] = {}
        outcomes = classify_each(self._predictor, reads, PredictOptions(), deadline)
        async with aclosing(outcomes):
            async for index, outcome in outcomes:
                if isinstance(outcome, ProblemError):
                    raise type(outcome)(f"image {index}: {outcome}") from outcome
                images[index] = outcome
        return [images[index] for index in range(len(reads))]


def _check_model(served: Description, name: str, version: str) -> None:
    """Refuse another model, or another version; raises NotFoundError."""
    if name != served.model_id or version not in {"", served.revision}:
        message = f"Served is the model {served.model_id} in version {served.revision} alone."
        raise NotFoundError(message)
