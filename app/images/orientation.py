"""Turning an image upright by its EXIF orientation."""

from PIL import ExifTags, Image

_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""The transposition that makes an image upright, by EXIF orientation (EXIF 2.32, 4.6.4)."""

_METADATA = ("exif", "Raw profile type exif", "xmp", "XML:com.adobe.xmp")
"""Metadata with an orientation, removed once the image is upright."""


def turn_upright(image: Image.Image) -> Image.Image:
    """Load an image and turn it upright; returns the same one if it is.

    The pixels equal those of Pillow's `exif_transpose`, which `load_image` calls. That also
    rewrites the EXIF block, with every value in it: 100 ms for a block of 60 kB.
    """
    image.load()  # first: some formats have their EXIF behind the pixels
    method = _TURNS.get(image.getexif().get(ExifTags.Base.Orientation, 1))
    if method is None:
        return image
    upright = image.transpose(method)
    for key in _METADATA:
        upright.info.pop(key, None)
    return upright
