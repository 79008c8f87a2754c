"""Drawing a map over an image."""

from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from app.explainer_backend import Explained, Picture
from app.images.geometry import Box
from app.images.overlay import draw_map, draw_overlay

GREY = (120, 120, 120)
WIDTH, HEIGHT = 90, 60


def draw(
    relevance: list[list[float]], crop: Box | None = None, opacity: float = 1.0
) -> np.ndarray[tuple[int, ...], np.dtype[np.int16]]:
    """Draw a map over a grey image; gives its pixels."""
    image = Image.new("RGB", (WIDTH, HEIGHT), GREY)
    drawn = draw_overlay(image, np.array(relevance, np.float32), crop, opacity)
    assert drawn.size == image.size
    assert image.getcolors() == [(WIDTH * HEIGHT, GREY)]
    return np.asarray(drawn).astype(np.int16)


def test_the_most_relevant_part_is_yellow_and_the_rest_fainter() -> None:
    """Viridis ends in yellow; what has no relevance is seen through its dark violet."""
    pixels = draw([[1, 0, 0], [0, 0, 0]])
    red, green, blue = pixels[10, 10]
    assert red > 220
    assert green > 200
    assert blue < 70
    faint = np.abs(pixels[50, 80] - GREY)
    assert 0 < faint.max() < 50


def test_without_opacity_it_is_the_image() -> None:
    """An opacity of 0 changes no pixel."""
    assert (draw([[1, 0], [0.5, 1]], opacity=0) == GREY).all()


def test_nothing_is_drawn_beyond_the_crop() -> None:
    """What the model did not see keeps its pixels."""
    pixels = draw([[1.0]], crop=(15, 0, 60, 60))
    assert (pixels[:, :15] == GREY).all()
    assert (pixels[:, 75:] == GREY).all()
    assert (pixels[:, 15:75] != GREY).any(axis=-1).all()


def test_a_crop_that_pads_shows_the_part_of_its_map_that_is_in_the_image() -> None:
    """The cells beyond the image are not squeezed into it."""
    inside = [[0.0] * 3, [0.0, 1.0, 0.0], [0.0] * 3]
    pixels = draw(inside, crop=(-90, -60, 270, 180))
    assert (pixels[30, 45] == (253, 231, 37)).all()
    outside = [[1.0] * 3, [1.0, 0.0, 1.0], [1.0] * 3]
    assert np.abs(draw(outside, crop=(-90, -60, 270, 180))[30, 45] - GREY).max() < 60


@pytest.mark.parametrize("crop", [(0.4, 0.3, 89.2, 59.5), (-0.5, -0.5, 91, 61), (89.5, 0, 0.5, 60)])
def test_a_crop_may_end_between_pixels(crop: Box) -> None:
    """Fractions of a pixel come from the resize that the processor did."""
    assert draw([[0.2, 1.0], [0.0, 0.4]], crop=crop).shape == (HEIGHT, WIDTH, 3)


def test_a_map_is_smooth() -> None:
    """Between a relevant cell and its neighbour the colour changes gradually."""
    steps = np.abs(np.diff(draw([[0, 1]])[30], axis=0)).max()
    assert steps < 25


def test_an_answer_gets_the_picture_that_was_asked_for() -> None:
    """The first map is drawn; without a picture, or without a map, nothing is."""
    maps = np.array([[[1, 0]], [[0, 1]]], np.float32)
    found = Explained("r", (3, 4), np.zeros(5, np.float32), maps, "occlusion")
    picture = Picture(np.full((20, 40, 3), 120, np.uint8), None, 1.0)
    assert draw_map(found, None) is found
    png = draw_map(found, picture).png
    assert png is not None
    with Image.open(BytesIO(png)) as image:
        left, right = image.getpixel((2, 10)), image.getpixel((37, 10))
    assert isinstance(left, tuple)
    assert isinstance(right, tuple)
    assert left[0] > right[0]
    nothing = Explained("r", (), np.zeros(0, np.float32), maps[:0], "occlusion")
    assert draw_map(nothing, picture) is nothing
