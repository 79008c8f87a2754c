"""GET /: the page for people, from files of this package alone; GET /page/…: what it loads.

The page calls the API like any other client: it holds no data, and needs no key to load.
"""

import hashlib
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Annotated, Final

from fastapi import APIRouter, Header, Request
from fastapi.responses import FileResponse, Response

from app.api.http.entity_tags import is_known
from app.api.http.request_context import get_context
from app.errors import NotFoundError

router = APIRouter(include_in_schema=False)

INDEX: Final = "index.html"
TYPES: Final = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}
"""The media type of each kind of file that the page has."""

POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; "
    "connect-src 'self'; form-action 'none'; base-uri 'none'; frame-ancestors 'none'; "
    "require-trusted-types-for 'script'"
)
_HEADERS: Final = {
    "Cache-Control": "no-cache",  # a browser asks each time, and is told 304
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
_INDEX_HEADERS: Final = {
    "Content-Security-Policy": POLICY,
    "Permissions-Policy": "camera=(self)",
    "X-Frame-Options": "DENY",
}
_FOLDER: Final = Path(__file__).parents[1] / "page"
_SAMPLES: Final = Path(__file__).parents[3] / "demo" / "samples"

Tags = Annotated[str | None, Header(alias="If-None-Match")]


@dataclass(frozen=True, slots=True)
class _File:
    """A file of the page, the entity tag of its content, and its media type."""

    content: bytes
    etag: str
    media_type: str


@router.get("/")
async def show_page(request: Request, if_none_match: Tags = None) -> Response:
    """Show the page; where no key is needed an explainer starts, because the page will ask one."""
    services = get_context(request).services
    if not services.authenticator.needs_key:
        services.explanations.start_warm_up()
    return _answer(INDEX, if_none_match, _INDEX_HEADERS)


@router.get("/page/samples")
async def list_samples(request: Request) -> list[str]:
    """List the sample images that go with the model that is served; none but the bundled one's."""
    return _list_samples() if request.app.state.has_samples else []


@router.get("/page/samples/{name}")
async def send_sample(request: Request, name: str) -> FileResponse:
    """Send a sample image."""
    if name not in await list_samples(request):
        raise NotFoundError(
            f"There is no /page/samples/{name}. See /page/samples for what there is."
        )
    return FileResponse(_SAMPLES / name, headers=_HEADERS)


@router.get("/page/{name}")
async def send_file(name: str, if_none_match: Tags = None) -> Response:
    """Send a file of the page."""
    if name not in _read_files() or name == INDEX:
        raise NotFoundError(f"There is no /page/{name}. See /docs for what there is.")
    return _answer(name, if_none_match, {})


def _answer(name: str, if_none_match: str | None, headers: dict[str, str]) -> Response:
    """Answer a file, or 304 where the client has it."""
    file = _read_files()[name]
    headers = _HEADERS | headers | {"ETag": file.etag}
    if if_none_match is not None and is_known(if_none_match, file.etag):
        return Response(status_code=304, headers=headers)
    return Response(file.content, headers=headers | {"Content-Type": file.media_type})


@cache
def _read_files() -> dict[str, _File]:
    """Read the files of the page by name, once: nothing that is asked for becomes a path."""
    paths = [path for path in _FOLDER.iterdir() if path.suffix in TYPES]
    return {path.name: _read_file(path) for path in paths}


def _read_file(path: Path) -> _File:
    """Read a file of the page."""
    content = path.read_bytes()
    tag = hashlib.sha256(content).hexdigest()[:16]
    return _File(content, f'"{tag}"', TYPES[path.suffix])


@cache
def _list_samples() -> list[str]:
    """List the names of the bundled model's samples."""
    return sorted(path.name for path in _SAMPLES.glob("*.png"))
