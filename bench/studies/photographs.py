"""JPEGs like those that cameras and phones send, and models that tell apart what they show.

scikit-image and scikit-learn ship photographs; seeded crops, flips and scales of them, with a
sensor's noise, are saved at several sizes, qualities and subsamplings. Two seeded ViTs of 224
pixels stand beside the bundled digits: one has random weights and resizes to a square, the other a
head fitted on photographs, so that it tells them apart with a margin, and crops the centre.
"""

from collections.abc import Iterator
from functools import cache
from pathlib import Path

import numpy as np
import sklearn.datasets
import torch
from PIL import ExifTags, Image
from skimage.data import data_dir
from sklearn.linear_model import LogisticRegression
from transformers import ViTConfig, ViTForImageClassification, ViTImageProcessorPil
from transformers.image_processing_utils import BaseImageProcessor

from app.classifier.checkpoint.files import open_checkpoint
from app.classifier.engines.selection import EngineOptions
from app.classifier.model import Model
from tests.support.samples import save

_SKIMAGE = (
    "astronaut.png brick.png camera.png chelsea.png coffee.png coins.png grass.png gravel.png "
    "hubble_deep_field.jpg ihc.png motorcycle_left.png motorcycle_right.png retina.jpg rocket.jpg"
)
SOURCES = (
    *(Path(data_dir) / name for name in _SKIMAGE.split()),
    *sorted((Path(sklearn.datasets.__file__).parent / "images").glob("*.jpg")),
)
SIZES = ((640, 480), (1280, 960), (2048, 1536), (2592, 1944), (4000, 3000))
SHARES = (0.1, 0.1, 0.15, 0.45, 0.2)
NOISE = 6  # grey levels, either way


@cache
def read_source(index: int) -> Image.Image:
    """Return one of the shipped photographs, grey or RGB."""
    image = Image.open(SOURCES[index])
    return image if image.mode == "L" else image.convert("RGB")


def scale_source(index: int, size: tuple[int, int], rng: np.random.Generator) -> Image.Image:
    """Return a crop at random scaled to the size; large ones are smooth."""
    image = read_source(index)
    scale = min(image.width / size[0], image.height / size[1]) * rng.uniform(0.5, 1)
    width, height = scale * size[0], scale * size[1]
    left, top = rng.uniform(0, image.width - width), rng.uniform(0, image.height - height)
    return image.resize(size, Image.Resampling.LANCZOS, (left, top, left + width, top + height))


def mirror_source(index: int, size: tuple[int, int], rng: np.random.Generator) -> Image.Image:
    """Return a crop at random at its own scale, mirrored on where it ends; all sizes are sharp."""
    pixels = np.asarray(read_source(index))
    missing = [max(0, size[1] - pixels.shape[0]), max(0, size[0] - pixels.shape[1])]
    pixels = np.pad(pixels, [(0, edge) for edge in (*missing, 0)][: pixels.ndim], "symmetric")
    top = rng.integers(0, pixels.shape[0] - size[1], endpoint=True)
    left = rng.integers(0, pixels.shape[1] - size[0], endpoint=True)
    return Image.fromarray(pixels[top : top + size[1], left : left + size[0]])


def draw_view(index: int, size: tuple[int, int], rng: np.random.Generator) -> Image.Image:
    """Return a view of a source with a sensor's noise, half of the time flipped."""
    image = (scale_source, mirror_source)[rng.choice(2)](index, size, rng)
    pixels = np.asarray(image)[:, :: int(rng.choice((1, -1)))].astype(np.int16)
    pixels += rng.integers(-NOISE, NOISE, pixels.shape, np.int16, endpoint=True)
    return Image.fromarray(pixels.clip(0, 255).astype(np.uint8))


def make_photographs(count: int, seed: int) -> Iterator[tuple[bytes, int]]:
    """Yield photographs, of sizes just below SIZES, and their longest edge, by the seed."""
    rng = np.random.default_rng(seed)
    for number in range(count):
        width, height = (SIZES[rng.choice(len(SIZES), p=SHARES)] - rng.integers(0, 9, 2)).tolist()
        size = (height, width) if rng.choice(3) == 0 else (width, height)
        image = draw_view(number % len(SOURCES), size, rng)
        exif = Image.Exif()
        exif[ExifTags.Base.Orientation] = int(rng.choice((1, 1, 1, 3, 6, 8)))
        data = save(
            image,
            "JPEG",
            quality=int(rng.choice((75, 85, 90, 95))),
            subsampling=str(rng.choice(("4:4:4", "4:2:2", "4:2:0"))),
            progressive=bool(rng.choice(5) == 0),
            exif=exif,
        )
        yield data, max(size)


SEED = 11
TRAINING = 40 * len(SOURCES)
TINY = {"patch_size": 32, "hidden_size": 192, "num_hidden_layers": 4, "num_attention_heads": 3}


def fit_head(vit: ViTForImageClassification, processor: BaseImageProcessor) -> float:
    """Fit the head to tell the sources apart; returns its accuracy on pictures held out."""
    rng, features = np.random.default_rng(SEED), []
    sources = [number % len(SOURCES) for number in range(TRAINING)]
    for source in sources:
        image = draw_view(source, (480, 360), rng).convert("RGB")
        with torch.inference_mode():
            state = vit.vit(**processor(image, return_tensors="pt")).last_hidden_state
            features.append(state[0, 0].numpy())
    held = TRAINING // 4
    mean, std = np.mean(features, axis=0), np.std(features, axis=0)
    fitted = LogisticRegression(max_iter=1000).fit((features - mean)[held:] / std, sources[held:])
    weight = fitted.coef_ / std
    with torch.no_grad():
        vit.classifier.weight.copy_(torch.from_numpy(weight))
        vit.classifier.bias.copy_(torch.from_numpy(fitted.intercept_ - weight @ mean))
    return float(fitted.score((features - mean)[:held] / std, sources[:held]))


def load_models(folder: Path) -> dict[str, Model]:
    """Save the seeded ones below the folder and load all three."""
    square = ViTImageProcessorPil(size={"height": 224, "width": 224})
    crop = ViTImageProcessorPil(
        size={"shortest_edge": 256},
        do_center_crop=True,
        crop_size={"height": 224, "width": 224},
        resample=Image.Resampling.BICUBIC,
    )
    models = {"digits, 32 px": Model(open_checkpoint("bundled"), EngineOptions("cpu", "torch"))}
    labels = {number: path.stem for number, path in enumerate(SOURCES)}
    config = ViTConfig(**TINY, intermediate_size=768, initializer_range=0.05, id2label=labels)
    for name, processor in (("random, 224 px", square), ("fitted, 224 px cropped", crop)):
        torch.manual_seed(SEED)
        vit = ViTForImageClassification(config).eval()
        if processor is crop:
            print(f"fitted: accuracy {fit_head(vit, processor):.3f} on pictures held out")
        vit.save_pretrained(folder / name)
        processor.save_pretrained(folder / name)
        models[name] = Model(open_checkpoint(str(folder / name)), EngineOptions("cpu", "torch"))
    return models
