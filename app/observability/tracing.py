"""Tracing is off unless the standard variables `OTEL_*` in a replica's environment switch it on.

Only then is OpenTelemetry imported (`app.observability.spans`). Its own variables say where spans
go and which calls are sampled; what is wrong with them switches tracing off with a warning, and
never stops a replica.
"""

import logging
import os
from collections.abc import Mapping
from importlib.util import find_spec
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from app.observability.spans import Tracing

EXPORTER = "OTEL_TRACES_EXPORTER"
ENDPOINTS = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
PROTOCOLS = ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL")
COMPRESSIONS = ("OTEL_EXPORTER_OTLP_TRACES_COMPRESSION", "OTEL_EXPORTER_OTLP_COMPRESSION")
DEFAULT_PROTOCOL = "grpc"
"""As of OpenTelemetry's own start-up for Python."""

MODULES = {
    "grpc": "opentelemetry.exporter.otlp.proto.grpc.trace_exporter",
    "http/protobuf": "opentelemetry.exporter.otlp.proto.http.trace_exporter",
}
"""What sends spans, by protocol."""

_logger = logging.getLogger("vitrine.tracing")


def is_wanted(environment: Mapping[str, str] = os.environ) -> bool:
    """Tell whether the environment switches tracing on."""
    exporter = environment.get(EXPORTER, "").strip().lower()
    if environment.get("OTEL_SDK_DISABLED", "").strip().lower() == "true" or exporter == "none":
        return False
    return bool(exporter or any(environment.get(name) for name in ENDPOINTS))


def choose_protocol(environment: Mapping[str, str] = os.environ) -> str:
    """Choose how spans are sent; raises ValueError, which says what to set or to install."""
    exporter = environment.get(EXPORTER, "").strip().lower()
    if exporter not in {"", "otlp"}:
        raise ValueError(f"{EXPORTER}={exporter} is not there; set it to otlp or none")
    given = (environment.get(name, "").strip().lower() for name in PROTOCOLS)
    protocol = next(filter(None, given), DEFAULT_PROTOCOL)
    if protocol not in MODULES:
        known = " or ".join(MODULES)
        raise ValueError(f"{PROTOCOLS[1]}={protocol} is not there; set it to {known}")
    for name in COMPRESSIONS:  # OpenTelemetry would raise a bare exception
        if environment.get(name, "none").strip().lower() not in {"none", "gzip", "deflate"}:
            raise ValueError(f"{name} is not there; set it to gzip or none")
    if not _has_module(MODULES[protocol]):
        raise ValueError("it needs more packages: pip install 'vitrine[otel]'")
    return protocol


def start_tracing(part: str, *, samples_all: bool = False) -> "Tracing | None":
    """Start tracing in this process, where its environment says so.

    Args:
        part: what the process is, such as `ingress`.
        samples_all: sample everything, because the caller of this process has chosen already; else
            OTEL_TRACES_SAMPLER chooses.
    """
    if not is_wanted():
        return None
    try:
        protocol = choose_protocol()
        from app.observability.spans import Tracing  # noqa: PLC0415 - see above

        return Tracing(part, protocol, samples_all=samples_all)
    except ValueError as exc:  # OpenTelemetry's too, for a number that is none
        _logger.warning("tracing is off in the %s: %s (docs/tracing.md)", part, exc)
        return None


def _has_module(name: str) -> bool:
    """Tell whether a module is installed."""
    try:
        return find_spec(name) is not None
    except ModuleNotFoundError:  # nor is the package that it is in
        return False
