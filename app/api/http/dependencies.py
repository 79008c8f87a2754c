"""What routes ask for: the core, the probe, and the uploaded image."""

from typing import Annotated

from fastapi import Depends, File, Request, UploadFile

from app.api.http.deadline import get_deadline
from app.errors import InvalidRequestError
from app.prediction.predictor import Predictor
from app.prediction.probe import Probe


async def get_predictor(request: Request) -> Predictor:
    """Find the app's predictor."""
    predictor: Predictor = request.app.state.predictor
    return predictor


async def get_probe(request: Request) -> Probe:
    """Find the app's probe."""
    probe: Probe = request.app.state.probe
    return probe


async def read_upload(request: Request, file: UploadFile) -> bytes:
    """Read the part `file`; two of them are refused, where the form would keep the last."""
    form = await request.form()  # FastAPI has read it already
    if len(form.getlist("file")) > 1:
        raise InvalidRequestError("body file: more than one part of this name; send one image.")
    return await file.read()


Deadline = Annotated[float, Depends(get_deadline)]
PredictorDep = Annotated[Predictor, Depends(get_predictor)]
ProbeDep = Annotated[Probe, Depends(get_probe)]
Upload = Annotated[
    UploadFile,
    File(description="The image: JPEG, PNG, WebP, GIF, BMP, TIFF, AVIF, and HEIF if installed."),
]
