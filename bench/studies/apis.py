"""Run ``python -m bench.studies.apis``: what each API costs beside `/predict` of one service.

Alternating rounds on one running service with the bundled digits; medians and their ratios.
Prints a table; the last line of stdout is one JSON object, which is also kept in bench/results.
"""

import argparse
import asyncio
import base64
import json
import struct
from collections.abc import Callable
from functools import partial
from statistics import median
from typing import Any

from app.client.connection import Address
from app.client.generator import count_until
from app.client.request import make_post
from app.network import LOOPBACK
from bench.kit.client import Target
from bench.kit.generator import keep_busy
from bench.kit.images import BOUNDARY, FORM, Picture, make_picture
from bench.kit.models import BUNDLED
from bench.kit.results import BenchError, Record, save, start_record
from bench.kit.rounds import divide, run_rounds
from bench.kit.servers import Server, make_vitrine, run_server
from bench.kit.tools import Traffic, check_tool, frame, run_h2load
from schemas.rpc.classifier_pb2 import PredictRequest
from schemas.rpc.inference_pb2 import ModelInferRequest
from tests.support.ports import find_port

ROUNDS, MANY = 5, 32
MODEL = "/".join(BUNDLED.parts[-2:])
"""What a service calls a checkpoint that is given as a folder."""

TENSOR: dict[str, Any] = {"name": "image", "datatype": "BYTES", "shape": [1]}


def list_posts(picture: Picture) -> dict[str, tuple[bytes, int, int]]:
    """List the requests to the HTTP APIs, over how many connections, and images in each."""
    data, media_type, packed = picture.content, picture.media_type, pack(picture)
    form = make_post("/predict", FORM, picture.body())
    base64_body = json.dumps({"image": base64.b64encode(data).decode()}).encode()
    end = f"--{BOUNDARY}--\r\n".encode()
    part = picture.body().removesuffix(end).replace(b'name="file"', b'name="files"', 1)
    tensor = TENSOR | {"parameters": {"binary_data_size": len(packed)}}
    head = json.dumps({"inputs": [tensor], "parameters": {"binary_data_output": True}}).encode()
    infer = f"/v2/models/{MODEL}/infer", "application/octet-stream", head + packed
    over_16 = {
        "form": form,
        "raw": make_post("/predict/raw", media_type, data),
        "JSON": make_post("/predict/json", "application/json", base64_body),
        "/hf": make_post("/hf", media_type, data),
        "Open Inference": make_post(*infer, f"Inference-Header-Content-Length: {len(head)}"),
    }
    bulk = make_post("/predict/batch", FORM, MANY * part + end)
    return {f"{name}, 16 connections": (one, 16, 1) for name, one in over_16.items()} | {
        "form, 1 connection": (form, 1, 1),
        f"bulk of {MANY}, 1 connection": (bulk, 1, MANY),
    }


def pack(picture: Picture) -> bytes:
    """Return the bytes of a BYTES tensor of one image."""
    return struct.pack("<I", len(picture.content)) + picture.content


def list_traffic(url: str, grpc_port: int, picture: Picture) -> dict[str, Traffic]:
    """List what h2load sends: to gRPC, and a form to compare it with."""
    grpc, framed = (
        f"http://{LOOPBACK}:{grpc_port}",
        ("content-type: application/grpc", "te: trailers"),
    )
    predict = frame(PredictRequest(image=picture.content).SerializeToString())
    tensors = [ModelInferRequest.InferInputTensor(**TENSOR)]
    infer = ModelInferRequest(
        model_name=MODEL, inputs=tensors, raw_input_contents=[pack(picture)]
    ).SerializeToString()
    service = f"{grpc}/inference.GRPCInferenceService"
    form = (f"content-type: {FORM}",)
    return {
        "form by h2load": Traffic(f"{url}/predict", form, picture.body(), is_http1=True),
        "gRPC Predict": Traffic(f"{grpc}/vitrine.v1.Classifier/Predict", framed, predict),
        "gRPC ModelInfer": Traffic(f"{service}/ModelInfer", framed, frame(infer)),
    }


def measure(target: Target, connections: int, images: int, seconds: float) -> float:
    """Keep so many connections busy; return images a second."""
    tally = asyncio.run(keep_busy(target, connections, count_until(seconds)))
    if tally.failed:
        raise BenchError(f"answers were not good: {tally.failed}")
    return images * tally.good / tally.took_s


def list_measures(
    server: Server, grpc_port: int, picture: Picture, seconds: int
) -> dict[str, Callable[[], float]]:
    """List what is measured, in images a second."""
    measures: dict[str, Callable[[], float]] = {}
    for name, (request, connections, images) in list_posts(picture).items():
        target = Target(Address(server.port), request)
        measures[name] = partial(measure, target, connections, images, seconds)
    for name, traffic in list_traffic(server.url, grpc_port, picture).items():
        measures[f"{name}, 16 connections"] = partial(run_h2load, traffic, 16, seconds)
    return measures


def summarize(rates: dict[str, list[float]]) -> dict[str, Record]:
    """Return medians, and ratios to the form over as many connections: medians over the rounds."""
    rows: dict[str, Record] = {}
    for name, each in rates.items():
        form = "form by h2load" if name.startswith(("gRPC", "form by")) else "form"
        base = rates[f"{form}, {name.split(', ')[1]}"]
        ratios = list(map(divide, each, base))
        rows[name] = {"images_per_s": median(each), "over_form": median(ratios)}
        rows[name] |= {"spread": [min(ratios), max(ratios)], "rounds": each}
    return rows


def main() -> None:
    """Measure, print the table, and keep the results."""
    parser = argparse.ArgumentParser(prog="python -m bench.studies.apis", description=__doc__)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--seconds", type=int, default=3, help="of each API in a round")
    options = parser.parse_args()
    check_tool("h2load")
    record, port = start_record("apis") | {"images": {}}, find_port()
    server = make_vitrine(BUNDLED, {"VITRINE_GRPC_PORT": str(port)})
    with run_server(server, make_picture("png")):
        for image in ("png", "jpeg"):
            measures = list_measures(server, port, make_picture(image), options.seconds)
            rows = summarize(run_rounds(measures, options.rounds))
            record["images"][image] = rows
            for name, row in rows.items():
                spread = "{} to {}".format(*row["spread"])
                figures = f"{row['images_per_s']:8.1f} images/s, {row['over_form']:5.2f} x the form"
                print(f"{image:<5} {name:<31} {figures} ({spread})", flush=True)
    save(record, "apis" if options.rounds >= ROUNDS else "apis-part")


if __name__ == "__main__":
    main()
