"""GET /metrics: what all replicas have counted, for Prometheus."""

import asyncio

from fastapi import APIRouter, Request, Response

from app.api.http.middleware import METRICS
from app.api.http.request_context import get_context
from app.errors import NotFoundError
from app.observability.metrics import render_metrics

router = APIRouter()


@router.get(METRICS, include_in_schema=False)  # no client is generated for it
async def show_metrics(request: Request) -> Response:
    """Show the metrics in the format that is asked for."""
    metrics = get_context(request).services.metrics
    if metrics is None or not metrics.is_shown(request.headers):
        raise NotFoundError("This service shows no metrics here (VITRINE_METRICS=off).")
    snapshots, silent = await metrics.collect()
    accept = request.headers.get("accept", "")
    page, content_type = await asyncio.to_thread(render_metrics, snapshots, silent, accept)
    return Response(page, headers={"Content-Type": content_type})
