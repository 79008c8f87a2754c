"""Images that come decoded: they go the way of all images, as the plainest of files.

And pixels that come as the model takes them, which only need to be checked.
"""

from io import BytesIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from app.backend import Geometry
from app.errors import InvalidRequestError
from app.images.decoder import PILLOW_ERRORS
from app.images.orientation import turn_upright

UINT8_MAX = 255
"""What 1.0 stands for."""


def encode_array(array: NDArray[np.generic]) -> bytes:
    """Encode an RGB image as a BMP, which loses nothing and is read as fast as it is copied.

    Args:
        array: `[height, width, 3]`, uint8, or floats from 0 to 1 that are rounded to 255 steps.

    Raises:
        InvalidRequestError: it is something else.
    """
    if array.ndim != 3 or array.shape[-1] != 3 or 0 in array.shape:  # noqa: PLR2004 - RGB
        message = f"An image as an array is [height, width, 3], RGB; this one is {array.shape}."
        raise InvalidRequestError(message)
    file = BytesIO()
    Image.fromarray(_quantize(array)).save(file, "BMP")
    return file.getvalue()


def encode_image(image: Image.Image) -> bytes:
    """Encode a Pillow image, turned upright and brought to RGB as transformers' `load_image` does.

    Raises:
        InvalidRequestError: it has no pixels, or of a kind that is not brought to RGB.
    """
    try:
        rgb = turn_upright(image).convert("RGB")
    except PILLOW_ERRORS as exc:
        message = f"This Pillow image of mode {image.mode} cannot be brought to RGB: {exc}"
        raise InvalidRequestError(message) from exc
    return encode_array(np.asarray(rgb))


def check_pixels(pixels: object, geometry: Geometry, most: int) -> None:
    """Refuse what is not pixels of the model's size, 1 to `most` images of them.

    Raises:
        InvalidRequestError: it is something else.
    """
    height, width = geometry.size
    kind = type(pixels).__name__
    if isinstance(pixels, np.ndarray):
        fits = pixels.dtype == geometry.dtype and pixels.shape[1:] == (height, width, 3)
        if fits and 1 <= len(pixels) <= most:
            return
        kind = f"{pixels.dtype} {list(pixels.shape)}"
    message = (
        f"This model takes pixels of {np.dtype(geometry.dtype)} [n, {height}, {width}, 3], RGB, "
        f"n from 1 to {most}; these are {kind}."
    )
    raise InvalidRequestError(message)


def _quantize(array: NDArray[np.generic]) -> NDArray[np.uint8]:
    """Bring values to 0 to 255; raises InvalidRequestError."""
    if array.dtype == np.uint8:
        return array.astype(np.uint8, copy=False)
    if not np.issubdtype(array.dtype, np.floating):
        message = f"An image as an array is of uint8, or of floats 0 to 1; not of {array.dtype}."
        raise InvalidRequestError(message)
    values = array.astype(np.float32, copy=False)
    if not (values.min() >= 0 and values.max() <= 1):  # which no NaN passes
        message = (
            "An image as an array of floats has values from 0 to 1, before any normalisation: "
            "the service applies the processor itself."
        )
        raise InvalidRequestError(message)
    return np.rint(values * UINT8_MAX).astype(np.uint8)
