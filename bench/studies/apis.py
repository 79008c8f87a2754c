"""Run ``python -m bench.studies.apis``: what each API costs beside `/predict` of one service.

Alternating rounds on one running service with the bundled digits; medians and their ratios.
Prints a table; the last line of stdout is one JSON document, which is also kept in bench/results.
"""

import asyncio
import base64
import json
import statistics
import struct
import time
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from http import HTTPStatus
from urllib.parse import urlsplit

from bench.chaos.rows import name_vitrine
from bench.compare.summary import Document
from bench.kit.connections import Address, Pool
from bench.kit.h2load import Traffic, check_h2load, drive, frame
from bench.kit.images import BOUNDARY, Picture, make_picture
from bench.kit.lifecycle import run_server
from bench.kit.machine import describe_machine
from bench.kit.models import BUNDLED
from bench.kit.results import save
from bench.kit.servers import BenchError
from schemas.rpc.classifier_pb2 import PredictRequest
from schemas.rpc.inference_pb2 import ModelInferRequest
from tests.support.ports import find_port

ROUNDS, SECONDS = 5, 3.0
MODEL = "/".join(BUNDLED.parts[-2:])
"""What a service calls a checkpoint that is given as a folder."""
MANY = 32
FORM = f"multipart/form-data; boundary={BOUNDARY}"
JSON = "application/json"
Make = Callable[[Picture], tuple[str, str, bytes]]
"""Makes the path, the Content-Type and the body that send a picture."""

Measure = Callable[[], float]


def make_form(picture: Picture) -> tuple[str, str, bytes]:
    """Send a form."""
    return "/predict", FORM, picture.body()


def make_raw(picture: Picture) -> tuple[str, str, bytes]:
    """Send the bytes."""
    return "/predict/raw", picture.media_type, picture.content


def make_json(picture: Picture) -> tuple[str, str, bytes]:
    """Send base64."""
    body = json.dumps({"image": base64.b64encode(picture.content).decode()})
    return "/predict/json", JSON, body.encode()


def make_task(picture: Picture) -> tuple[str, str, bytes]:
    """Send bytes as Hugging Face's client does."""
    return "/hf", picture.media_type, picture.content


def make_bulk(picture: Picture) -> tuple[str, str, bytes]:
    """Send many in one form."""
    end = f"--{BOUNDARY}--\r\n".encode()
    part = picture.body().removesuffix(end).replace(b'name="file"', b'name="files"', 1)
    return "/predict/batch", FORM, MANY * part + end


def make_inference(picture: Picture) -> tuple[str, str, bytes]:
    """Send bytes behind a document, as the Open Inference Protocol's clients do."""
    size = len(picture.content) + 4
    tensor = {"name": "image", "datatype": "BYTES", "shape": [1]}
    document = {"inputs": [tensor | {"parameters": {"binary_data_size": size}}]}
    head = json.dumps(document | {"parameters": {"binary_data_output": True}}).encode()
    body = head + struct.pack("<I", len(picture.content)) + picture.content
    content_type = f"application/octet-stream\r\nInference-Header-Content-Length: {len(head)}"
    return f"/v2/models/{MODEL}/infer", content_type, body


CELLS: dict[str, tuple[Make, int, int]] = {
    "form, 16 connections": (make_form, 16, 1),
    "raw, 16 connections": (make_raw, 16, 1),
    "JSON, 16 connections": (make_json, 16, 1),
    "/hf, 16 connections": (make_task, 16, 1),
    "Open Inference, 16 connections": (make_inference, 16, 1),
    "form, 1 connection": (make_form, 1, 1),
    f"bulk of {MANY}, 1 connection": (make_bulk, 1, MANY),
}
"""What makes the request, over how many connections, and images in each."""


def list_traffic(url: str, grpc_port: int, picture: Picture) -> dict[str, Traffic]:
    """List what h2load sends: to gRPC, and a form to compare it with."""
    place = f"http://127.0.0.1:{grpc_port}"
    framed = ("content-type: application/grpc", "te: trailers")
    predict = PredictRequest(image=picture.content).SerializeToString()
    tensor = ModelInferRequest.InferInputTensor(name="image", datatype="BYTES", shape=[1])
    raw = struct.pack("<I", len(picture.content)) + picture.content
    infer = ModelInferRequest(model_name=MODEL, inputs=[tensor], raw_input_contents=[raw])
    path, content_type, body = make_form(picture)
    ways = {
        "form by h2load": (url + path, (f"content-type: {content_type}",), body),
        "gRPC Predict": (f"{place}/vitrine.v1.Classifier/Predict", framed, frame(predict)),
        "gRPC ModelInfer": (
            f"{place}/inference.GRPCInferenceService/ModelInfer",
            framed,
            frame(infer.SerializeToString()),
        ),
    }
    return {name: Traffic(*way, is_http1="h2load" in name) for name, way in ways.items()}


def prepare(url: str, make: Make, picture: Picture) -> Address:
    """Prepare the request of a door."""
    target = urlsplit(url)
    path, content_type, body = make(picture)
    head = (
        f"POST {path} HTTP/1.1\r\nHost: {target.netloc}\r\nContent-Type: {content_type}\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    return Address(target.hostname or "", target.port or 80, head.encode() + body)


async def measure(address: Address, connections: int) -> float:
    """Keep so many connections busy; return good answers a second."""
    pool, good, bad = Pool(address, connections), 0, 0
    end = time.perf_counter() + SECONDS

    async def ask_again_and_again() -> None:
        nonlocal good, bad
        while time.perf_counter() < end:
            status = await pool.ask()
            good += status == HTTPStatus.OK
            bad += status != HTTPStatus.OK

    started = time.perf_counter()
    await asyncio.gather(*(ask_again_and_again() for _ in range(connections)))
    pool.close()
    if bad:
        raise BenchError(f"{bad} answers were not good.")
    return good / (time.perf_counter() - started)


def list_measures(url: str, grpc_port: int, picture: Picture) -> dict[str, Measure]:
    """List what is measured, each a function that returns images a second."""
    measures: dict[str, Measure] = {}
    for name, (make, connections, images) in CELLS.items():
        address = prepare(url, make, picture)
        measures[name] = partial(_measure_cell, address, connections, images)
    for name, traffic in list_traffic(url, grpc_port, picture).items():
        measures[f"{name}, 16 connections"] = partial(drive, traffic, 16, int(SECONDS))
    return measures


def _measure_cell(address: Address, connections: int, images: int) -> float:
    """Measure a door of HTTP; return images a second."""
    return images * asyncio.run(measure(address, connections))


def run_rounds(measures: dict[str, Measure]) -> dict[str, list[float]]:
    """Measure everything in alternating rounds; images a second, the first round left out."""
    rates: dict[str, list[float]] = {name: [] for name in measures}
    for number in range(1 + ROUNDS):
        for name in list(measures)[:: 1 if number % 2 else -1]:
            rate = measures[name]()
            if number:
                rates[name].append(round(rate, 1))
    return rates


def summarize(rates: dict[str, list[float]]) -> dict[str, Document]:
    """Return medians, and ratios to the form over as many connections: medians over the rounds."""
    rows: dict[str, Document] = {}
    for name, each in rates.items():
        form = "form by h2load" if name.startswith(("gRPC", "form by")) else "form"
        base = rates[f"{form}, {name.split(', ')[1]}"]
        ratios = [mine / other for mine, other in zip(each, base, strict=True)]
        rows[name] = {
            "images_per_s": statistics.median(each),
            "over_form": round(statistics.median(ratios), 2),
            "spread": [round(min(ratios), 2), round(max(ratios), 2)],
            "rounds": each,
        }
    return rows


def main() -> None:
    """Measure, print the table, and keep the document."""
    document: Document = {
        "benchmark": "doors",
        "started": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": describe_machine(),
        "images": {},
    }
    check_h2load()
    port = find_port()
    with run_server(name_vitrine(grpc_port=str(port)), make_picture("png")) as running:
        for image in ("png", "jpeg"):
            measures = list_measures(running.server.url, port, make_picture(image))
            rows = summarize(run_rounds(measures))
            document["images"][image] = rows
            for name, row in rows.items():
                spread = "{} to {}".format(*row["spread"])
                figures = f"{row['images_per_s']:8.1f} images/s, {row['over_form']:5.2f} x the form"
                print(f"{image:<5} {name:<31} {figures} ({spread})", flush=True)
    save(document, "doors")


if __name__ == "__main__":
    main()
