"""Settings of the model: the checkpoint, and what runs it."""

from typing import Literal

from pydantic import Field
from pydantic_settings import BaseSettings

from app.classifier.checkpoint.choice import NEWEST, PATTERN


class ModelSettings(BaseSettings):
    """Which model, and where and how it runs."""

    model: str = Field(
        default="bundled",
        description="Checkpoint: 'bundled', a folder, a Ray Train run folder or a Hub id.",
    )
    revision: str | None = Field(
        default=None, description="Branch, tag or commit of a Hub checkpoint."
    )
    processor: str | None = Field(
        default=None,
        description="Folder or Hub id of the image processor, where the checkpoint has none.",
    )
    checkpoint: str = Field(
        default=NEWEST,
        pattern=PATTERN,
        description=(
            "Which checkpoint of a Ray Train run: newest, or best:METRIC, such as best:accuracy "
            "or best:min:loss."
        ),
    )
    calibration: Literal["off", "temperature"] = Field(
        default="off",
        description="Scores as the model gives them, or by the temperature in calibration.json.",
    )
    cache: str | None = Field(
        default=None,
        description="Folder that keeps converted models, or 'off'; default: ~/.cache/vitrine.",
    )
    device: Literal["auto", "cpu", "cuda"] = Field(
        default="auto", description="Where the model runs; auto takes a GPU where there is one."
    )
    engine: Literal["auto", "torch", "compile", "openvino"] = Field(
        default="auto",
        description="What runs the model; auto: OpenVINO where it is installed, else torch.",
    )
    precision: Literal["auto", "fp32", "bf16", "fp16", "int8"] = Field(
        default="auto",
        description="Number format; auto: fp32 on a CPU, half on a GPU; int8 only if set.",
    )
