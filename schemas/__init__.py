"""The wire types: what the service takes and answers, frozen, with an example each."""

from schemas.bulk import BulkItem, BulkResponse
from schemas.health import Health, Liveness, Queue
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
from schemas.source import ImageSource, ImageSources
from schemas.task import ScoredLabel, TaskParameters, TaskRequest

__all__ = [
    "DEFAULT_TOP_K",
    "BulkItem",
    "BulkResponse",
    "Health",
    "ImageInfo",
    "ImageSource",
    "ImageSources",
    "Label",
    "Labels",
    "Liveness",
    "ModelInfo",
    "PredictOptions",
    "PredictResponse",
    "Prediction",
    "Problem",
    "Queue",
    "ScoredLabel",
    "Scores",
    "TaskParameters",
    "TaskRequest",
]
