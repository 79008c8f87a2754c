"""One contract for every API: the same images get the same numbers, however they come in."""

import base64
import json
import subprocess
import sys
from collections.abc import Callable, Iterable
from io import BytesIO

import httpx
import numpy as np
import pytest
from huggingface_hub import InferenceClient
from PIL import Image

from schemas.rpc.classifier_pb2 import SCORES_ALL, PredictRequest
from schemas.rpc.classifier_pb2_grpc import ClassifierStub
from tests.support.grpc_calls import open_channel
from tests.support.service import ROOT, SAMPLES, Service, make_environment, run_cli
from tests.support.triton import Triton, pose_array, pose_images

PATHS = sorted(SAMPLES.glob("*.png"))
IMAGES = [path.read_bytes() for path in PATHS]
ENCODED = [base64.b64encode(image).decode() for image in IMAGES]
ALL = {"scores": "all", "logits": "true", "top_k": "1"}
MODEL = "vitrine-digits"
KINDS = ("BYTES", "UINT8", "FP32")
LABELS = [str(label) for label in range(10)]

Rows = list[list[float]]
"""For each image the scores of every label by id, and behind them its logits, if there are any."""

Api = Callable[[Service, Triton], Rows]


def read_rows(answers: Iterable[dict[str, list[float]]]) -> Rows:
    """Read the rows of answers as `POST /predict` gives them."""
    return [answer["scores"] + answer["logits"] for answer in answers]


def send_forms(service: Service, _: Triton) -> Rows:
    """`POST /predict`."""
    with httpx.Client(base_url=service.url, params=ALL, timeout=60) as client:
        return read_rows(client.post("/predict", files={"file": one}).json() for one in IMAGES)


def send_raw(service: Service, _: Triton) -> Rows:
    """`POST /predict/raw`."""
    headers = {"Content-Type": "image/png"}
    with httpx.Client(base_url=service.url, params=ALL, headers=headers, timeout=60) as client:
        return read_rows(client.post("/predict/raw", content=one).json() for one in IMAGES)


def send_json(service: Service, _: Triton) -> Rows:
    """`POST /predict/json`."""
    with httpx.Client(base_url=service.url, params=ALL, timeout=60) as client:
        return read_rows(
            client.post("/predict/json", json={"image": one}).json() for one in ENCODED
        )


def send_batch(service: Service, _: Triton) -> Rows:
    """`POST /predict/batch`."""
    files = [("files", (path.name, path.read_bytes())) for path in PATHS]
    answer = httpx.post(f"{service.url}/predict/batch", files=files, params=ALL, timeout=60)
    return read_rows(item["result"] for item in answer.json()["results"])


def send_batch_json(service: Service, _: Triton) -> Rows:
    """`POST /predict/batch/json`."""
    body = {"images": [{"image": one} for one in ENCODED]}
    answer = httpx.post(f"{service.url}/predict/batch/json", json=body, params=ALL, timeout=60)
    return read_rows(item["result"] for item in answer.json()["results"])


def stream_batch(service: Service, _: Triton) -> Rows:
    """`POST /predict/batch` as NDJSON."""
    files = [("files", (path.name, path.read_bytes())) for path in PATHS]
    headers = {"Accept": "application/x-ndjson"}
    url = f"{service.url}/predict/batch"
    answer = httpx.post(url, files=files, params=ALL, headers=headers, timeout=60)
    items = sorted(map(json.loads, answer.text.splitlines()), key=lambda item: item["index"])
    return read_rows(item["result"] for item in items)


def ask_hugging_face(service: Service, _: Triton) -> Rows:
    """`POST /hf`, by Hugging Face's own client."""
    client = InferenceClient(model=f"{service.url}/hf")
    rows: Rows = []
    for path in PATHS:
        found = client.image_classification(str(path), top_k=len(LABELS))
        scores = {one.label: one.score for one in found}
        rows.append([scores[label] for label in LABELS])
    return rows


def ask_triton(protocol: str, kind: str, *, binary: bool = True) -> Api:
    """The Open Inference Protocol, by Triton's own client."""

    def ask(service: Service, triton: Triton) -> Rows:
        url = f"127.0.0.1:{service.port if protocol == 'http' else service.grpc_port}"
        arrays = np.stack([np.asarray(Image.open(BytesIO(one)).convert("RGB")) for one in IMAGES])
        given = {
            "BYTES": pose_images(IMAGES if binary else [one.encode() for one in ENCODED]),
            "UINT8": pose_array(arrays),
            "FP32": pose_array((arrays / 255).astype(np.float32)),
        }[kind]
        told = triton.ask(protocol, url, "infer", model=MODEL, binary=binary, **given)
        rows = (told["outputs"][name] for name in ("scores", "logits"))
        return [scores + logits for scores, logits in zip(*rows, strict=True)]

    return ask


def call_predict(service: Service, _: Triton) -> Rows:
    """`vitrine.v1.Classifier/Predict`."""
    requests = [PredictRequest(image=one, scores=SCORES_ALL, logits=True) for one in IMAGES]
    with open_channel(service) as channel:
        stub = ClassifierStub(channel)
        answers = [stub.Predict(request, timeout=60) for request in requests]
    return [[*answer.scores, *answer.logits] for answer in answers]


def call_stream(service: Service, _: Triton) -> Rows:
    """`vitrine.v1.Classifier/PredictStream`."""
    requests = (PredictRequest(image=one, scores=SCORES_ALL, logits=True) for one in IMAGES)
    with open_channel(service) as channel:
        results = list(ClassifierStub(channel).PredictStream(requests, timeout=60))
    results.sort(key=lambda result: result.index)
    return [[*result.response.scores, *result.response.logits] for result in results]


def find_ray(service: Service) -> tuple[str, dict[str, str]]:
    """Find the address of a service's Ray, and the variables that let a process join it."""
    for process in service.list_processes():
        for word in process.cmdline():
            if word.startswith("--gcs-address="):
                variables = process.environ().items()
                joining = ("RAY_AUTH_", "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER")
                return word.partition("=")[2], {k: v for k, v in variables if k.startswith(joining)}
    raise AssertionError("no process of the service knows the address")


def call_handle(service: Service, _: Triton) -> Rows:
    """`serve.get_app_handle("vitrine").classify`, from a process that joins the service's Ray."""
    address, variables = find_ray(service)
    environment = make_environment() | variables
    command = [sys.executable, "-m", "tests.support.cluster_joiner", address, *map(str, PATHS)]
    done = subprocess.run(
        command,
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        text=True,
        check=True,
        timeout=60,
    )
    return read_rows(json.loads(done.stdout.splitlines()[-1]))


def run_command(_service: Service, _: Triton) -> Rows:
    """`vitrine predict`, without a server."""
    done = run_cli("predict", "--json", "--top-k", str(len(LABELS)), *map(str, PATHS))
    rows: Rows = []
    for line in done.stdout.splitlines():
        scores = {one["label_id"]: one["score"] for one in json.loads(line)["predictions"]}
        rows.append([scores[label] for label in range(len(LABELS))])
    return rows


APIS: dict[str, Api] = {
    "raw": send_raw,
    "JSON": send_json,
    "bulk form": send_batch,
    "bulk JSON": send_batch_json,
    "bulk NDJSON": stream_batch,
    "/hf": ask_hugging_face,
    **{
        f"Open Inference, {protocol} {kind}": ask_triton(protocol, kind)
        for protocol in ("http", "grpc")
        for kind in KINDS
    },
    **{f"Open Inference, JSON {kind}": ask_triton("http", kind, binary=False) for kind in KINDS},
    "gRPC": call_predict,
    "gRPC stream": call_stream,
    "Python handle": call_handle,
    "command line": run_command,
}

SCORES_ALONE = {"/hf", "command line"}
"""APIs that answer no logits beside the scores."""


@pytest.fixture(scope="module")
def expected(service: Service, triton: Triton) -> Rows:
    """What `POST /predict` answers."""
    return send_forms(service, triton)


def test_the_form_tells_the_samples_apart(expected: Rows) -> None:
    """So that equal numbers mean something."""
    assert len(expected) == 20
    assert [LABELS[int(np.argmax(row[: len(LABELS)]))] for row in expected] == [
        path.name[0] for path in PATHS
    ]


@pytest.mark.parametrize("name", sorted(APIS))
def test_every_api_gives_the_numbers_of_the_form(
    name: str, expected: Rows, service: Service, triton: Triton
) -> None:
    """To the last digits of float32, which depend on the batch that an image was in."""
    rows = np.array(APIS[name](service, triton))
    wanted = np.array(expected)[:, : rows.shape[1]]
    assert rows.shape[1] == len(LABELS) * (1 if name in SCORES_ALONE else 2)
    np.testing.assert_allclose(rows, wanted, rtol=1e-5, atol=2e-6)
