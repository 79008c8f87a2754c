"""The peer: the same checkpoint behind plain FastAPI and uvicorn, without batches.

Images are decoded in the thread pool, and one thread runs the model. Run by ``peers.py``.
"""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import uvicorn
from fastapi import FastAPI, UploadFile
from fastapi.concurrency import run_in_threadpool

from bench.compare.peer_model import PeerModel, parse_options


def create_app(model: PeerModel) -> FastAPI:
    """Return the two routes."""
    app, runner = FastAPI(), ThreadPoolExecutor(max_workers=1)

    @app.get("/health")
    async def check_health() -> str:
        return "ok"

    @app.post("/predict")
    async def predict(file: UploadFile) -> dict[str, Any]:
        decoded = await run_in_threadpool(model.decode, await file.read())
        answers = await asyncio.get_running_loop().run_in_executor(runner, model.predict, [decoded])
        return answers[0]

    return app


def serve() -> None:
    """Serve until interrupted."""
    options = parse_options()
    app = create_app(PeerModel(options.checkpoint, options.threads))
    fast: dict[str, Any] = {
        "loop": "uvloop",
        "http": "httptools",
        "log_level": "warning",
        "access_log": False,
    }
    uvicorn.run(app, host="127.0.0.1", port=options.port, **fast)


if __name__ == "__main__":
    serve()
