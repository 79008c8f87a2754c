"""Engines run the model on a device, each behind `app.classifier.engines.engine.Engine`."""

import sys

sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]
# Without this line, importing OpenVINO sends telemetry; with it, OpenVINO uses its stub.
