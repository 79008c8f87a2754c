"""Joins the Ray of a service, and classifies the files that are named by a handle.

It prints one JSON object: an answer for each file.
"""

import json
import sys
from pathlib import Path

import ray
from ray import serve

if __name__ == "__main__":
    address, *paths = sys.argv[1:]
    ray.init(address=address, namespace="serve", logging_level="ERROR", log_to_driver=False)
    handle = serve.get_app_handle("vitrine")
    options = {"scores": "all", "logits": True}
    calls = [handle.classify.remote(Path(path).read_bytes(), **options) for path in paths]
    print(json.dumps([call.result().model_dump(mode="json") for call in calls]))  # noqa: T201
