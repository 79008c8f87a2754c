"""Every function of the generated client, against a running service: example.py URL IMAGE TEXT."""

import base64
import json
import sys
from pathlib import Path

from vitrine_client import AuthenticatedClient
from vitrine_client.api.health import health
from vitrine_client.api.inference import model_infer, model_metadata
from vitrine_client.api.prediction import (
    classify_task,
    labels,
    predict,
    predict_batch,
    predict_batch_json,
    predict_json,
    predict_raw,
)
from vitrine_client.models import (
    BodyPredict,
    BodyPredictBatch,
    ImageSource,
    ImageSources,
    InferRequest,
    InputTensor,
    InputTensorDatatype,
    ModelMetadata,
    Problem,
    Scores,
    TaskParameters,
    TaskRequest,
)
from vitrine_client.types import File

url, image, text, *keys = sys.argv[1:]
client = AuthenticatedClient(base_url=url, token=keys[0] if keys else "none needed")


def open_file(path: str) -> File:
    """Open a file to be sent."""
    return File(payload=Path(path).open("rb"), file_name=Path(path).name)


encoded = base64.b64encode(Path(image).read_bytes()).decode()
source = ImageSource(image=encoded)
task = TaskRequest(inputs=encoded, parameters=TaskParameters(top_k=2))
both = BodyPredictBatch(files=[open_file(image), open_file(image)])
tensor = InputTensor(name="image", datatype=InputTensorDatatype.BYTES, shape=[1], data=[encoded])

model = model_metadata.sync("vitrine-digits", client=client)
served = model.name if isinstance(model, ModelMetadata) else "unknown"
refused = predict.sync(client=client, body=BodyPredict(file=open_file(text)))
assert isinstance(refused, Problem), refused
answers = {
    "predict": predict.sync(
        client=client, body=BodyPredict(file=open_file(image)), top_k=2, scores=Scores.ALL
    ),
    "raw": predict_raw.sync(client=client, body=open_file(image), top_k=2, scores=Scores.ALL),
    "json": predict_json.sync(client=client, body=source, top_k=2, scores=Scores.ALL),
    "batch": predict_batch.sync(client=client, body=both, top_k=2, scores=Scores.ALL),
    "batchJson": predict_batch_json.sync(client=client, body=ImageSources(images=[source])),
    "task": classify_task.sync(client=client, body=task),
    "model": model,
    "infer": model_infer.sync(served, client=client, body=InferRequest(inputs=[tensor])),
    "labels": labels.sync(client=client),
    "health": health.sync(client=client),
    "refused": refused,
}


def to_json(answer: object) -> object:
    """Turn what the client read back into JSON."""
    if isinstance(answer, list):
        return [to_json(one) for one in answer]
    return answer.to_dict() if hasattr(answer, "to_dict") else answer


print(json.dumps({name: to_json(answer) for name, answer in answers.items()}))
