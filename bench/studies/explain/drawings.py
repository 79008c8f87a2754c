"""The picture of docs/explain.md: a few images, and what methods say of each. It judges nothing."""

import numpy as np
from matplotlib.figure import Figure
from PIL import Image

from app.images.overlay import draw_overlay
from bench.kit.results import DOCS
from bench.studies.explain.pictures import PictureSet
from bench.studies.explain.rivals import DEFAULT, build_methods
from bench.studies.explain.subject import Subject

SHOWN = (DEFAULT, "occlusion 7x7", "LeGrad", "contribution", "rollout", "Grad-CAM")
EACH = 3
"""Images of each set."""

ENLARGED = 192
OPACITY = 0.75


def draw_maps(sets: list[tuple[Subject, PictureSet]]) -> None:
    """Draw a row for each image: itself, and the map of each method."""
    figure = Figure(figsize=(8.4, 1.25 * EACH * len(sets)), layout="constrained")
    grid = figure.subplots(EACH * len(sets), 1 + len(SHOWN))
    rows = iter(grid)
    for subject, pictures in sets:
        methods = build_methods(subject)
        for index in _choose(subject, pictures):
            axes = next(rows)
            one = pictures.select(np.array([index]))
            image = _enlarge(one.pixels[0])
            name = str(subject.module.config.id2label[int(one.labels[0])])
            axes[0].imshow(image)
            axes[0].set_ylabel(name.removesuffix("_left"), size=8)
            for each, method in zip(axes[1:], SHOWN, strict=True):
                relevance = methods[method](one.pixels, one.labels)[0]
                each.imshow(draw_overlay(image, relevance, None, OPACITY))
    for each, title in zip(grid[0], ("image", *SHOWN), strict=True):
        each.set_title(title, size=8)
    for each in grid.ravel():
        each.set_xticks([])
        each.set_yticks([])
    figure.savefig(DOCS / "explain-maps.png", dpi=100, metadata={"Software": None})


def _choose(subject: Subject, pictures: PictureSet) -> list[int]:
    """Choose images that are right, each of another label, spread over the labels."""
    right = np.flatnonzero(subject.run(pictures.pixels).argmax(axis=1) == pictures.labels)
    labels = np.unique(pictures.labels[right])
    wanted = labels[np.linspace(2, len(labels) - 2, EACH).astype(int)]
    return [int(right[pictures.labels[right] == label][0]) for label in wanted]


def _enlarge(pixels: np.ndarray[tuple[int, ...], np.dtype[np.uint8]]) -> Image.Image:
    """Enlarge a small image."""
    return Image.fromarray(pixels).resize((ENLARGED, ENLARGED), Image.Resampling.BICUBIC)
