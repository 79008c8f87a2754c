"""The wire types: what the service takes and answers, frozen, with an example each."""

from schemas.bulk import BulkItem, BulkResponse
from schemas.explanation import (
    MAX_LABELS,
    Crop,
    ExplainMethod,
    ExplainOptions,
    ExplainResponse,
    Explanation,
    ExplanationInfo,
    Layers,
)
from schemas.health import Health, Liveness, Queue
from schemas.huggingface import ScoredLabel, TaskParameters, TaskRequest
from schemas.image_source import ImageSource, ImageSources
from schemas.labels import Label, Labels
from schemas.model import ModelInfo
from schemas.open_inference.inference import (
    MAX_OUTPUTS,
    InferParameters,
    InferRequest,
    InferResponse,
    OutputParameters,
    RequestedOutput,
)
from schemas.open_inference.metadata import (
    ModelMetadata,
    ModelReady,
    ServerLive,
    ServerMetadata,
    ServerReady,
    TensorMetadata,
)
from schemas.open_inference.tensor import (
    MAX_DIMENSIONS,
    BinaryParameters,
    Datatype,
    InputTensor,
    OutputTensor,
)
from schemas.prediction import (
    DEFAULT_TOP_K,
    ImageInfo,
    Prediction,
    PredictOptions,
    PredictResponse,
    Scores,
)
from schemas.problem import Problem

__all__ = [
    "DEFAULT_TOP_K",
    "MAX_DIMENSIONS",
    "MAX_LABELS",
    "MAX_OUTPUTS",
    "BinaryParameters",
    "BulkItem",
    "BulkResponse",
    "Crop",
    "Datatype",
    "ExplainMethod",
    "ExplainOptions",
    "ExplainResponse",
    "Explanation",
    "ExplanationInfo",
    "Health",
    "ImageInfo",
    "ImageSource",
    "ImageSources",
    "InferParameters",
    "InferRequest",
    "InferResponse",
    "InputTensor",
    "Label",
    "Labels",
    "Layers",
    "Liveness",
    "ModelInfo",
    "ModelMetadata",
    "ModelReady",
    "OutputParameters",
    "OutputTensor",
    "PredictOptions",
    "PredictResponse",
    "Prediction",
    "Problem",
    "Queue",
    "RequestedOutput",
    "ScoredLabel",
    "Scores",
    "ServerLive",
    "ServerMetadata",
    "ServerReady",
    "TaskParameters",
    "TaskRequest",
    "TensorMetadata",
]
