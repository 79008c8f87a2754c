"""The peer: the same checkpoint behind plain FastAPI and uvicorn.

Owns what a careful user would write without a serving framework: decode in the thread pool, one
thread that runs the model, one worker. No batches. Run by ``peers.py``.
"""

import argparse
import asyncio
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import uvicorn
from fastapi import FastAPI, UploadFile
from fastapi.concurrency import run_in_threadpool

from bench.compare.peer_model import PeerModel


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
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--checkpoint", type=Path, required=True)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--threads", type=int, default=1, help="torch's")
    arguments = parser.parse_args()
    uvicorn.run(
        create_app(PeerModel(arguments.checkpoint, arguments.threads)),
        host="127.0.0.1",
        port=arguments.port,
        loop="uvloop",
        http="httptools",
        log_level="warning",
        access_log=False,
    )


if __name__ == "__main__":
    serve()
