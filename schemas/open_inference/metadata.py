"""What the Open Inference Protocol v2 tells of the service and its model."""

from pydantic import BaseModel, ConfigDict, Field
from pydantic.config import JsonDict

from schemas.open_inference.tensor import Datatype

_IMAGE: JsonDict = {"name": "image", "datatype": "BYTES", "shape": [-1]}
_SCORES: JsonDict = {"name": "scores", "datatype": "FP32", "shape": [-1, 10]}


class ServerLive(BaseModel):
    """The process serves."""

    model_config = ConfigDict(frozen=True, json_schema_extra={"example": {"live": True}})

    live: bool = True


class ServerReady(BaseModel):
    """The model answers."""

    model_config = ConfigDict(frozen=True, json_schema_extra={"example": {"ready": True}})

    ready: bool = True


class ModelReady(BaseModel):
    """The model answers."""

    model_config = ConfigDict(
        frozen=True, json_schema_extra={"example": {"name": "vitrine-digits", "ready": True}}
    )

    name: str = Field(description="Name of the checkpoint.")
    ready: bool = True


class ServerMetadata(BaseModel):
    """The service."""

    model_config = ConfigDict(
        frozen=True,
        json_schema_extra={
            "example": {
                "name": "vitrine",
                "version": "0.1.0",
                "extensions": ["classification", "binary_tensor_data"],
            }
        },
    )

    name: str = Field(description="`vitrine`.")
    version: str = Field(description="Its version.")
    extensions: list[str] = Field(description="Extensions of the protocol that it knows.")


class TensorMetadata(BaseModel):
    """An input or an output."""

    model_config = ConfigDict(frozen=True, json_schema_extra={"example": _IMAGE})

    name: str = Field(description="Its name.")
    datatype: Datatype = Field(description="Its kind; `image` may also be UINT8 or FP32.")
    shape: list[int] = Field(description="Its dimensions; -1 for any.")


class ModelMetadata(BaseModel):
    """The model."""

    model_config = ConfigDict(
        frozen=True,
        json_schema_extra={
            "example": {
                "name": "vitrine-digits",
                "versions": ["3f9a1c0b7d21"],
                "platform": "openvino fp32",
                "inputs": [_IMAGE],
                "outputs": [_SCORES],
            }
        },
    )

    name: str = Field(description="Name of the checkpoint.")
    versions: list[str] = Field(description="The revision that is served.")
    platform: str = Field(description="The engine that runs it, and its precision.")
    inputs: list[TensorMetadata]
    outputs: list[TensorMetadata]
