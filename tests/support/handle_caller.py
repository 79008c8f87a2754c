"""Runs the example of docs/examples, and calls Vitrine beside it as any other application would.

It prints one JSON object: what each transport of Serve's gave.
"""

import json
import runpy
import sys
import threading
import time
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import ray
from PIL import Image
from ray import serve

from app.errors import ProblemError
from tests.support.tracing import CARRIER

TRANSPORTS = {"actor": True, "grpc": False}
"""Whether a handle sends by reference: by calls of Ray's actors, or else over gRPC."""


def catch(call: Callable[[], object]) -> list[object]:
    """Make a call that fails; gives what is told of it."""
    try:
        call()
    except ProblemError as problem:
        return [problem.status, problem.type, problem.detail]
    return []


def call_all(handle: Any, data: bytes) -> dict[str, object]:  # noqa: ANN401 - Serve's
    """Call in every way; gives what came back."""
    image = Image.open(BytesIO(data))
    array = np.asarray(image.convert("RGB"))
    pixels = np.asarray(image.convert("RGB").resize((32, 32), Image.Resampling.BILINEAR))
    options = {"top_k": 2, "scores": "all", "logits": True}
    answers = [
        handle.classify.remote(way, **options).result().model_dump(mode="json")
        for way in (data, image, array, array.astype(np.float32) / 255)
    ]
    logits = handle.logits.remote(np.stack([pixels, pixels]), trace=CARRIER).result()
    handle.classify.remote(data, trace=CARRIER).result()
    return {
        "answers": answers,
        "logits": [str(logits.dtype), logits.tolist()],
        "problems": [
            catch(lambda: handle.classify.remote(b"%PDF-1.7").result()),
            catch(lambda: handle.classify.remote(data, topk=1).result()),
            catch(lambda: handle.logits.remote(pixels).result()),
        ],
    }


def call_when_ready(path: Path) -> None:
    """Wait until both applications run, call, and print."""
    while len(list_running()) < len({"vitrine", "albums"}):
        time.sleep(0.2)
    handle = serve.get_app_handle("vitrine")
    said = {
        name: call_all(handle.options(_by_reference=by_reference), path.read_bytes())
        for name, by_reference in TRANSPORTS.items()
    }
    print(json.dumps(said), flush=True)  # noqa: T201 - read by the test


def list_running() -> list[str]:
    """List the applications that run; to ask before Ray does would start another Ray."""
    applications = serve.status().applications if ray.is_initialized() else {}
    return [name for name, one in applications.items() if one.status == "RUNNING"]


if __name__ == "__main__":
    example, sample = sys.argv[1:]
    threading.Thread(target=call_when_ready, args=[Path(sample)], daemon=True).start()
    runpy.run_path(example, run_name="__main__")
