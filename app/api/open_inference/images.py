"""The images of a tensor, each encoded when it is read."""

import asyncio
from functools import partial

from app.api.open_inference.tensors import Tensor
from app.errors import InvalidRequestError
from app.images.arrays import encode_array
from app.prediction.bulk import Read

CHANNELS = 3
"""Red, green and blue."""


def list_images(tensor: Tensor, max_images: int) -> list[Read]:
    """List the images of a tensor, at most `max_images`.

    BYTES `[n]` or `[n, 1]` are encoded images; UINT8, and FP32 from 0 to 1, of shape
    `[n, height, width, 3]` are RGB, and each is encoded in a thread.

    Raises:
        InvalidRequestError: its shape is another, or it has too many.
    """
    shape, data = tensor.shape, tensor.data
    if shape[0] > max_images:
        raise InvalidRequestError(f"{shape[0]} images; send 1 to {max_images} in one request.")
    if isinstance(data, list):
        if shape[1:] not in {(), (1,)}:
            message = f"Encoded images are BYTES of shape [n] or [n, 1], not {list(shape)}."
            raise InvalidRequestError(message)
        return [partial(_give, image) for image in data]
    if len(shape) != CHANNELS + 1 or shape[-1] != CHANNELS:
        message = (
            f"Images as {tensor.datatype} have the shape [n, height, width, 3], RGB, not "
            f"{list(shape)}."
        )
        raise InvalidRequestError(message)
    return [partial(asyncio.to_thread, encode_array, array) for array in data]


async def _give(image: bytes) -> bytes:
    """Give an image that is encoded already."""
    return image
