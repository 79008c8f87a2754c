"""What `vitrine score` is compared with: each scores a folder of images in a process of its own.

    python -m bench.studies.score_loops NAME FOLDER MODEL IMAGES

The last line of stdout is JSON: the images and the seconds between the first result and the last.
"""

import json
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from pathlib import Path
from typing import Any

import httpx

from bench.kit.images import make_picture
from bench.kit.results import BenchError
from bench.kit.servers import make_vitrine, run_server

BATCH = 32
FULL = httpx.codes.SERVICE_UNAVAILABLE
CONNECTIONS = 4
RETRY_S = 0.1
"""Seconds after which images that the service had no room for are sent again."""

Steps = Iterator[int]
"""Images of each step that has ended."""


def run_raw(files: list[Path], model: str) -> Steps:
    """Run the reader and the engine of the service in this process, without Ray or any output."""
    from app.classifier.startup import load_model  # noqa: PLC0415 - each loads its own
    from app.datasets.fetcher import SampleFetcher  # noqa: PLC0415
    from app.datasets.sample import Sample  # noqa: PLC0415
    from app.limits import derive_limits  # noqa: PLC0415
    from app.offline.bulk_scorer import BulkScorer  # noqa: PLC0415
    from app.settings import Settings  # noqa: PLC0415

    settings = Settings(model=model)
    fetch = SampleFetcher(settings.max_bytes)
    scorer = BulkScorer(load_model(settings), derive_limits(settings), fetch)
    samples = [Sample(str(file), str(file)) for file in files]
    for part in (samples[:BATCH], samples[BATCH:]):
        yield len(scorer.score(part))
    scorer.close()


def run_pipeline(files: list[Path], model: str) -> Steps:
    """Run transformers' pipeline over the folder, as its documentation has it."""
    from transformers import pipeline  # noqa: PLC0415

    classify = pipeline("image-classification", model=model)
    left = iter(files)
    while part := [str(file) for file in islice(left, BATCH)]:
        yield len(classify(part, batch_size=BATCH, top_k=5))


class Classifier:
    """The class that Ray Data's documentation has for offline inference with transformers."""

    def __init__(self, model: str) -> None:
        from transformers import pipeline  # noqa: PLC0415

        self._classify = pipeline("image-classification", model=model)

    def __call__(self, batch: dict[str, Any]) -> dict[str, Any]:
        """Classify a batch of files' bytes."""
        from io import BytesIO  # noqa: PLC0415

        from PIL import Image  # noqa: PLC0415

        images = [Image.open(BytesIO(data)).convert("RGB") for data in batch["bytes"]]
        best = [one[0] for one in self._classify(images, batch_size=BATCH, top_k=5)]
        return {
            "path": batch["path"],
            "label": [one["label"] for one in best],
            "score": [one["score"] for one in best],
        }


def run_ray_data(files: list[Path], model: str) -> Steps:
    """Run a plain Ray Data script; it writes nothing, which is in its favour."""
    import ray  # noqa: PLC0415

    ray.init(address="local", include_dashboard=False, log_to_driver=False)
    images = ray.data.read_binary_files([str(file) for file in files], include_paths=True)
    scored = images.map_batches(
        Classifier,
        fn_constructor_args=(model,),
        batch_size=BATCH,
        compute=ray.data.ActorPoolStrategy(size=1),
        num_cpus=1,
    )
    for batch in scored.iter_batches(batch_size=BATCH):
        yield len(batch["label"])


def run_service(files: list[Path], model: str) -> Steps:
    """Send the files to a service in bulk, over a few connections."""
    server = make_vitrine(Path(model))
    left = iter(files)
    parts = iter(lambda: list(islice(left, BATCH)), [])
    with (
        run_server(server, make_picture("jpeg")),
        ThreadPoolExecutor(CONNECTIONS) as pool,
        httpx.Client(trust_env=False, timeout=120) as client,
    ):

        def send(part: list[Path]) -> int:
            left = part
            while left:
                parcel = [("files", (file.name, file.read_bytes(), "image/jpeg")) for file in left]
                answer = client.post(f"{server.url}/predict/batch", files=parcel)
                if answer.status_code != FULL:
                    results = answer.raise_for_status().json()["results"]
                    left = [left[one["index"]] for one in results if "result" not in one]
                if left:
                    time.sleep(RETRY_S)
            return len(part)

        yield from pool.map(send, parts)


LOOPS: dict[str, Callable[[list[Path], str], Steps]] = {
    "raw": run_raw,
    "pipeline": run_pipeline,
    "ray-data": run_ray_data,
    "service": run_service,
}

SLOW = ("pipeline", "ray-data")
"""Those that need so much longer that they get fewer images."""


def main() -> None:
    """Run one of them, and print how long it took after its first step."""
    name, folder, model, count = sys.argv[1:]
    files = sorted(Path(folder).iterdir())[: int(count)]
    steps = LOOPS[name](files, model)
    first = next(steps)
    started, images = time.perf_counter(), 0
    ended = started
    for step in steps:
        images += step
        ended = time.perf_counter()
    if first + images != len(files):
        raise BenchError(f"{name} has scored {first + images} of {len(files)} images")
    print(json.dumps({"images": images, "seconds": ended - started}))


if __name__ == "__main__":
    main()
