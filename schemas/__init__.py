"""The wire types: what the service takes and answers, frozen, with an example each."""

from schemas.bulk import BulkItem, BulkResponse
from schemas.health import Health, Liveness, Queue
from schemas.inference import (
    MOST_OUTPUTS,
    InferParameters,
    InferRequest,
    InferResponse,
    OutputParameters,
    RequestedOutput,
)
from schemas.labels import Label, Labels
from schemas.model import ModelInfo
from schemas.prediction import (
    DEFAULT_TOP_K,
    ImageInfo,
    Prediction,
    PredictOptions,
    PredictResponse,
    Scores,
)
from schemas.problem import Problem
from schemas.server import (
    ModelMetadata,
    ModelReady,
    ServerLive,
    ServerMetadata,
    ServerReady,
    TensorMetadata,
)
from schemas.source import ImageSource, ImageSources
from schemas.task import ScoredLabel, TaskParameters, TaskRequest
from schemas.tensor import MOST_DIMENSIONS, BinaryParameters, Datatype, InputTensor, OutputTensor

__all__ = [
    "DEFAULT_TOP_K",
    "MOST_DIMENSIONS",
    "MOST_OUTPUTS",
    "BinaryParameters",
    "BulkItem",
    "BulkResponse",
    "Datatype",
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
