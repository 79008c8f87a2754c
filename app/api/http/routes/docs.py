"""GET /docs: Swagger UI from this service alone, in a page that may do nothing else."""

import base64
import hashlib
import re
from importlib.resources import files
from typing import Final

from fastapi import APIRouter, Request
from fastapi.openapi.docs import get_swagger_ui_html
from fastapi.responses import FileResponse, HTMLResponse

from app.errors import NotFoundError

router = APIRouter(include_in_schema=False)

_ASSETS: Final = ("swagger-ui-bundle.js", "swagger-ui.css", "favicon-32x32.png")
_PARAMETERS: Final = {
    "tryItOutEnabled": True,
    "filter": True,
    "displayRequestDuration": True,
    "persistAuthorization": False,  # a key stays in the page, not in the browser's storage
}
_HEADERS: Final = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
}
_POLICY: Final = (
    "default-src 'none'; script-src 'self' {scripts}; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data:; font-src 'self' data:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_INLINE = re.compile(rb"<script>(.*?)</script>", re.DOTALL)


@router.get("/docs")
async def show_docs(request: Request) -> HTMLResponse:
    """Show Swagger UI."""
    root = _get_root(request)
    script, style, icon = (f"{root}/swagger/{name}" for name in _ASSETS)
    page = get_swagger_ui_html(
        openapi_url=f"{root}/openapi.json",
        title="Vitrine - Swagger UI",
        swagger_js_url=script,
        swagger_css_url=style,
        swagger_favicon_url=icon,
        swagger_ui_parameters=_PARAMETERS,
    )
    page.headers.update(_HEADERS | {"Content-Security-Policy": _build_policy(bytes(page.body))})
    return page


@router.get("/swagger/{name}")
async def send_asset(name: str) -> FileResponse:
    """Send a file of Swagger UI's, as the package fastapi-swagger has it."""
    if name not in _ASSETS:
        raise NotFoundError(f"There is no /swagger/{name}. See /docs for what there is.")
    return FileResponse(str(files("fastapi_swagger") / "resources" / name))


def _get_root(request: Request) -> str:
    """Get the path that the app is mounted at."""
    root: str = request.scope.get("root_path", "")
    return root.rstrip("/")


def _build_policy(html: bytes) -> str:
    """Build the policy that lets a page's own inline scripts run, by their hashes, and no other."""
    digests = (hashlib.sha256(script).digest() for script in _INLINE.findall(html))
    scripts = " ".join(f"'sha256-{base64.b64encode(digest).decode()}'" for digest in digests)
    return _POLICY.format(scripts=scripts)
