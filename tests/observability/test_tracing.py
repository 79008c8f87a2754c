"""What switches tracing on, and what is said where it cannot be."""

import subprocess
import sys

import pytest

from app.observability.tracing import MODULES, choose_protocol, is_wanted, start_tracing
from tests.support.log_lines import collect_lines
from tests.support.service import ROOT

ENDPOINT = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:4317"}


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({}, False),
        ({"OTEL_SERVICE_NAME": "vitrine"}, False),
        (ENDPOINT, True),
        ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://127.0.0.1:4317"}, True),
        ({"OTEL_TRACES_EXPORTER": "otlp"}, True),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": ""}, False),
        (ENDPOINT | {"OTEL_TRACES_EXPORTER": "none"}, False),
        (ENDPOINT | {"OTEL_SDK_DISABLED": "True"}, False),
    ],
)
def test_the_standard_variables_switch_tracing_on_and_off(
    environment: dict[str, str], *, expected: bool
) -> None:
    """An endpoint or an exporter does; `none` and OTEL_SDK_DISABLED undo it."""
    assert is_wanted(environment) is expected


def test_spans_are_sent_by_the_protocol_that_is_named() -> None:
    """That of traces goes before the one of all signals; the default is OpenTelemetry's."""
    both = {"OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}
    assert choose_protocol(ENDPOINT) == "grpc"
    assert choose_protocol({"OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf"}) == "http/protobuf"
    traces = {"OTEL_EXPORTER_OTLP_TRACES_PROTOCOL": "http/protobuf"}
    assert choose_protocol(both | traces) == "http/protobuf"


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("OTEL_TRACES_EXPORTER", "zipkin", "set it to otlp or none"),
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "http/json", "set it to grpc or http/protobuf"),
        ("OTEL_EXPORTER_OTLP_TIMEOUT", "soon", "could not convert string to float: 'soon'"),
        ("OTEL_EXPORTER_OTLP_COMPRESSION", "zip", "set it to gzip or none"),
    ],
)
def test_a_wrong_variable_switches_tracing_off_and_says_so(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, said: str
) -> None:
    """In one line; the replica starts all the same."""
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:4317")
    monkeypatch.setenv(name, value)
    with collect_lines() as lines:
        assert start_tracing("ingress") is None
    (line,) = lines
    assert line["level"] == "warning"
    assert str(line["message"]).startswith("tracing is off in the ingress: ")
    assert said in str(line["message"])


def test_a_missing_extra_is_said_with_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    """One line, and nothing is traced."""
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:4317")
    monkeypatch.setitem(MODULES, "grpc", "opentelemetry.exporter.that_is.not_installed")
    with collect_lines() as lines:
        assert start_tracing("ingress") is None
    (line,) = lines
    assert line["level"] == "warning"
    assert "pip install 'vitrine[otel]'" in str(line["message"])


def test_nothing_of_opentelemetry_is_imported_while_tracing_is_off() -> None:
    """By us: Ray Serve imports a part of it, but neither the exporters nor our spans."""
    code = (
        "import sys, app.deployments\n"
        "from app.observability.tracing import start_tracing\n"
        "assert start_tracing('ingress') is None\n"
        "names = [n for n in sys.modules if 'otlp' in n or n == 'app.observability.spans']\n"
        "print(names)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT
    )
    assert done.stdout.splitlines()[-1] == "[]"
