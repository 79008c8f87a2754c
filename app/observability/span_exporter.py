"""The exporter of spans: OpenTelemetry's for OTLP, with one warning while nothing reaches it."""

import importlib
import logging
from collections.abc import Sequence

from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult

from app.observability.tracing import MODULES

_logger = logging.getLogger("vitrine.tracing")


class WarningExporter(SpanExporter):
    """Exports spans, and warns once when that begins to fail.

    It runs in a thread of OpenTelemetry's, so no call waits for it. Spans that come while it fails,
    or while 2048 of them wait (OTEL_BSP_MAX_QUEUE_SIZE), are lost.

    Args:
        protocol: one of `MODULES`; OpenTelemetry's variables say the rest.
    """

    def __init__(self, protocol: str) -> None:
        self._exporter: SpanExporter = importlib.import_module(MODULES[protocol]).OTLPSpanExporter()
        self._fails = False
        # It says more than once, at every try, what one warning of ours says.
        logging.getLogger("opentelemetry").setLevel(logging.CRITICAL)

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Export spans."""
        result = self._exporter.export(spans)
        fails = result is not SpanExportResult.SUCCESS
        if fails and not self._fails:
            _logger.warning(
                "the collector does not take spans, and they are lost until it does: is "
                "OTEL_EXPORTER_OTLP_ENDPOINT right, and its protocol? (docs/tracing.md)"
            )
        elif self._fails and not fails:
            _logger.info("the collector takes spans again")
        self._fails = fails
        return result

    def shutdown(self) -> None:
        """End the connection."""
        self._exporter.shutdown()
