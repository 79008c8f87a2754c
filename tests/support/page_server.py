"""The app over a model in this process, on a port that a browser can open."""

import threading
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from http import HTTPStatus
from pathlib import Path
from typing import Final

import uvicorn
from starlette.applications import Starlette
from starlette.routing import Mount

from app.api.http.factory import create_app
from app.api.services import build_services
from app.auth.keys import Key
from app.classifier.checkpoint.files import open_checkpoint
from app.offline.local_explainer import LocalExplainer
from app.offline.predict import build_predictor
from app.prediction.explanations import Explanations
from app.prediction.predictor import Predictor
from app.settings import Settings
from tests.support.checkpoints import copy_checkpoint, edit_json
from tests.support.plain_http import get
from tests.support.ports import find_port

BUNDLED: Final = "bundled"
READY_S: Final = 120
"""Seconds that the model may take to load."""


class PageServer:
    """A server that can be stopped, and started again on its port.

    Args:
        predictor: answers it; None for one over the bundled model.
        keys: that it asks for.
        root_path: where it is mounted.
        explains: the checkpoint that its explainer loads; None: it has no explainer.

    Attributes:
        url: of the page.
    """

    def __init__(
        self,
        predictor: Predictor | None = None,
        keys: tuple[Key, ...] = (),
        root_path: str = "",
        *,
        explains: str | None = BUNDLED,
    ) -> None:
        self._port = find_port()
        core = predictor or build_predictor(Settings(engine="torch"))
        explainer = LocalExplainer(open_checkpoint(explains)) if explains else None
        services = build_services(core, keys, explanations=Explanations(core, explainer))
        app = create_app(services, has_samples=predictor is None)
        self._app = Starlette(routes=[Mount(root_path, app)])
        self.url = f"http://127.0.0.1:{self._port}{root_path}/"

    def start(self) -> None:
        """Start to serve; returns when it listens."""
        self._server = uvicorn.Server(
            uvicorn.Config(
                self._app, port=self._port, log_level="error", timeout_graceful_shutdown=10
            )
        )
        self._thread = threading.Thread(target=self._server.run, daemon=True)
        self._thread.start()
        while not self._server.started:
            assert self._thread.is_alive(), "the server did not start"
            time.sleep(0.01)

    def wait_until_ready(self) -> None:
        """Wait until the model is loaded."""
        deadline = time.monotonic() + READY_S
        while get(f"{self.url}readyz", timeout=READY_S).status_code != HTTPStatus.OK:
            assert time.monotonic() < deadline, "the model is not loaded"
            time.sleep(0.1)

    def stop(self) -> None:
        """Stop to serve; nothing listens on its port then."""
        self._server.should_exit = True
        self._thread.join()


@contextmanager
def serve_page(
    predictor: Predictor | None = None,
    keys: tuple[Key, ...] = (),
    root_path: str = "",
    *,
    explains: str | None = BUNDLED,
) -> Iterator[PageServer]:
    """Serve until the end of the block."""
    server = PageServer(predictor, keys, root_path, explains=explains)
    server.start()
    server.wait_until_ready()
    yield server
    server.stop()


def serve_model(model: str) -> AbstractContextManager[PageServer]:
    """Serve a checkpoint, and what explains it, until the end of the block."""
    return serve_page(build_predictor(Settings(engine="torch", model=model)), explains=model)


def serve_labels(folder: Path, labels: tuple[str, ...]) -> AbstractContextManager[PageServer]:
    """Serve a copy of the bundled checkpoint, whose ten labels have other names, from a folder."""
    copy = copy_checkpoint(open_checkpoint(BUNDLED).folder, folder / "checkpoint")
    edit_json(copy / "config.json", "label2id", id2label=dict(enumerate(labels)))
    return serve_model(str(copy))
