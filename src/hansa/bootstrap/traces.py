"""Whether calls and runs are traced, as the variables of OpenTelemetry say."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from hansa.errors import OperatorError
from hansa.runtime.tracing import Traces

_ENDPOINTS: Final = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
_PROTOCOLS: Final = ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL")
PROTOCOL: Final = "http/protobuf"


def open_traces(environment: Mapping[str, str], version: str, node: str) -> Traces:
    """Traces are made where an endpoint is named, and neither `OTEL_SDK_DISABLED` nor `OTEL_TRACES_EXPORTER=none` says
    otherwise. Raises `OperatorError` (`traces.driver`, `traces.protocol`)."""
    is_off = environment.get("OTEL_SDK_DISABLED", "").lower() == "true"
    if is_off or environment.get("OTEL_TRACES_EXPORTER", "otlp") == "none":
        return Traces()
    if not any(environment.get(name) for name in _ENDPOINTS):
        return Traces()
    protocol = next((value for name in _PROTOCOLS if (value := environment.get(name))), PROTOCOL)
    if protocol != PROTOCOL:
        raise OperatorError(
            "traces.protocol",
            f"Traces cannot be sent by {protocol}",
            hint=f"Set OTEL_EXPORTER_OTLP_PROTOCOL={PROTOCOL}, which collectors take at port 4318.",
        )
    try:
        from hansa.observe.tracing import OtelTraces
    except ImportError as failure:
        raise OperatorError(
            "traces.driver",
            "OTEL_EXPORTER_OTLP_ENDPOINT needs OpenTelemetry, which is not installed",
            hint="pip install 'hansa[otel]', or unset it.",
        ) from failure
    return OtelTraces(version, node)
