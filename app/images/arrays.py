"""Images that arrive as arrays: encoded as BMP files, then read as any other image.

Pixels that already have the model's size are only checked.
"""

from io import BytesIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from app.backend import Geometry
from app.errors import InvalidRequestError
from app.images.decoder import PILLOW_ERRORS
from app.images.orientation import turn_upright


def encode_array(array: NDArray[np.generic]) -> bytes:
    """Encode an RGB image as a BMP, which is lossless and as fast to read as to copy.

    Args:
        array: `[height, width, 3]`, uint8, or floats from 0 to 1, rounded to uint8.

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
    """Encode a Pillow image, turned upright and converted to RGB as `load_image` does.

    Raises:
        InvalidRequestError: it has no pixels or cannot be converted.
    """
    try:
        rgb = turn_upright(image).convert("RGB")
    except PILLOW_ERRORS as exc:
        message = f"This Pillow image of mode {image.mode} cannot be converted to RGB: {exc}"
        raise InvalidRequestError(message) from exc
    return encode_array(np.asarray(rgb))


def check_pixels(pixels: object, geometry: Geometry, max_images: int) -> None:
    """Raise InvalidRequestError unless these are the pixels of 1 to `max_images` images."""
    height, width = geometry.size
    kind = type(pixels).__name__
    if isinstance(pixels, np.ndarray):
        fits = pixels.dtype == geometry.dtype and pixels.shape[1:] == (height, width, 3)
        if fits and 1 <= len(pixels) <= max_images:
            return
        kind = f"{pixels.dtype} {list(pixels.shape)}"
    message = (
        f"This model takes pixels of {np.dtype(geometry.dtype)} [n, {height}, {width}, 3], RGB, "
        f"n from 1 to {max_images}; these are {kind}."
    )
    raise InvalidRequestError(message)


def _quantize(array: NDArray[np.generic]) -> NDArray[np.uint8]:
    """Convert values to uint8; raises InvalidRequestError."""
    if array.dtype == np.uint8:
        return array.astype(np.uint8, copy=False)
    if not np.issubdtype(array.dtype, np.floating):
        message = f"An image as an array is of uint8, or of floats 0 to 1; not of {array.dtype}."
        raise InvalidRequestError(message)
    values = array.astype(np.float32, copy=False)
    if not (values.min() >= 0 and values.max() <= 1):  # a NaN fails both
        message = (
            "An image as an array of floats has values from 0 to 1, before any normalisation: "
            "the service applies the processor itself."
        )
        raise InvalidRequestError(message)
    return np.rint(values * 255).astype(np.uint8)
