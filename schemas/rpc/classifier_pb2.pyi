from google.rpc import status_pb2 as _status_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Scores(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    SCORES_TOP: _ClassVar[Scores]
    SCORES_ALL: _ClassVar[Scores]
SCORES_TOP: Scores
SCORES_ALL: Scores

class PredictRequest(_message.Message):
    __slots__ = ("image", "top_k", "threshold", "scores", "logits")
    IMAGE_FIELD_NUMBER: _ClassVar[int]
    TOP_K_FIELD_NUMBER: _ClassVar[int]
    THRESHOLD_FIELD_NUMBER: _ClassVar[int]
    SCORES_FIELD_NUMBER: _ClassVar[int]
    LOGITS_FIELD_NUMBER: _ClassVar[int]
    image: bytes
    top_k: int
    threshold: float
    scores: Scores
    logits: bool
    def __init__(self, image: _Optional[bytes] = ..., top_k: _Optional[int] = ..., threshold: _Optional[float] = ..., scores: _Optional[_Union[Scores, str]] = ..., logits: _Optional[bool] = ...) -> None: ...

class PredictResponse(_message.Message):
    __slots__ = ("model", "image", "predictions", "scores", "logits")
    MODEL_FIELD_NUMBER: _ClassVar[int]
    IMAGE_FIELD_NUMBER: _ClassVar[int]
    PREDICTIONS_FIELD_NUMBER: _ClassVar[int]
    SCORES_FIELD_NUMBER: _ClassVar[int]
    LOGITS_FIELD_NUMBER: _ClassVar[int]
    model: Model
    image: Image
    predictions: _containers.RepeatedCompositeFieldContainer[Prediction]
    scores: _containers.RepeatedScalarFieldContainer[float]
    logits: _containers.RepeatedScalarFieldContainer[float]
    def __init__(self, model: _Optional[_Union[Model, _Mapping]] = ..., image: _Optional[_Union[Image, _Mapping]] = ..., predictions: _Optional[_Iterable[_Union[Prediction, _Mapping]]] = ..., scores: _Optional[_Iterable[float]] = ..., logits: _Optional[_Iterable[float]] = ...) -> None: ...

class PredictResult(_message.Message):
    __slots__ = ("index", "response", "problem")
    INDEX_FIELD_NUMBER: _ClassVar[int]
    RESPONSE_FIELD_NUMBER: _ClassVar[int]
    PROBLEM_FIELD_NUMBER: _ClassVar[int]
    index: int
    response: PredictResponse
    problem: _status_pb2.Status
    def __init__(self, index: _Optional[int] = ..., response: _Optional[_Union[PredictResponse, _Mapping]] = ..., problem: _Optional[_Union[_status_pb2.Status, _Mapping]] = ...) -> None: ...

class Model(_message.Message):
    __slots__ = ("id", "revision")
    ID_FIELD_NUMBER: _ClassVar[int]
    REVISION_FIELD_NUMBER: _ClassVar[int]
    id: str
    revision: str
    def __init__(self, id: _Optional[str] = ..., revision: _Optional[str] = ...) -> None: ...

class Image(_message.Message):
    __slots__ = ("width", "height", "format")
    WIDTH_FIELD_NUMBER: _ClassVar[int]
    HEIGHT_FIELD_NUMBER: _ClassVar[int]
    FORMAT_FIELD_NUMBER: _ClassVar[int]
    width: int
    height: int
    format: str
    def __init__(self, width: _Optional[int] = ..., height: _Optional[int] = ..., format: _Optional[str] = ...) -> None: ...

class Prediction(_message.Message):
    __slots__ = ("label", "label_id", "score")
    LABEL_FIELD_NUMBER: _ClassVar[int]
    LABEL_ID_FIELD_NUMBER: _ClassVar[int]
    SCORE_FIELD_NUMBER: _ClassVar[int]
    label: str
    label_id: int
    score: float
    def __init__(self, label: _Optional[str] = ..., label_id: _Optional[int] = ..., score: _Optional[float] = ...) -> None: ...

class LabelsRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class LabelsResponse(_message.Message):
    __slots__ = ("model", "labels", "temperature")
    MODEL_FIELD_NUMBER: _ClassVar[int]
    LABELS_FIELD_NUMBER: _ClassVar[int]
    TEMPERATURE_FIELD_NUMBER: _ClassVar[int]
    model: Model
    labels: _containers.RepeatedCompositeFieldContainer[Label]
    temperature: float
    def __init__(self, model: _Optional[_Union[Model, _Mapping]] = ..., labels: _Optional[_Iterable[_Union[Label, _Mapping]]] = ..., temperature: _Optional[float] = ...) -> None: ...

class Label(_message.Message):
    __slots__ = ("id", "label")
    ID_FIELD_NUMBER: _ClassVar[int]
    LABEL_FIELD_NUMBER: _ClassVar[int]
    id: int
    label: str
    def __init__(self, id: _Optional[int] = ..., label: _Optional[str] = ...) -> None: ...
