"""A second Ray Serve application beside Vitrine: it sorts photographs into albums, by label.

    python docs/examples/albums.py
    curl -F files=@one.jpg -F files=@two.jpg http://127.0.0.1:8000/albums/

It has no model: it calls Vitrine's by a handle, without HTTP between the two.
"""

import asyncio
from collections import defaultdict

import ray
from fastapi import FastAPI, UploadFile
from ray import serve

from app.deployments import build
from app.errors import ProblemError
from app.settings import Settings

app = FastAPI(title="Albums")


@serve.deployment(ray_actor_options={"num_cpus": 0})  # it waits for others, so it needs no core
@serve.ingress(app)
class Albums:
    """Sorts images by what Vitrine sees in them."""

    def __init__(self) -> None:
        self._vitrine = serve.get_app_handle("vitrine")

    @app.post("/")
    async def sort(self, files: list[UploadFile]) -> dict[str, list[str]]:
        """Name the files of each album; what is no image comes to one of its own."""
        albums: dict[str, list[str]] = defaultdict(list)
        labels = await asyncio.gather(*(self._find_label(file) for file in files))
        for file, label in zip(files, labels, strict=True):
            albums[label].append(str(file.filename))
        return albums

    async def _find_label(self, file: UploadFile) -> str:
        """Find the best label of one image, or say what is wrong with it."""
        try:
            answer = await self._vitrine.classify.remote(await file.read(), top_k=1)
        except ProblemError as problem:
            return problem.title
        return str(answer.predictions[0].label)  # answer is a schemas.PredictResponse


def main() -> None:
    """Serve both, in a Ray of their own, until Ctrl-C."""
    settings = Settings()
    ray.init(address="local", include_dashboard=False)
    serve.start(http_options={"host": settings.host, "port": settings.port})
    serve.run(build(settings), name="vitrine", route_prefix="/")
    serve.run(Albums.bind(), name="albums", route_prefix="/albums", blocking=True)  # type: ignore[attr-defined] # a serve.Deployment by now


if __name__ == "__main__":
    main()
