"""Which signals go out by OTLP, by which protocol and to where."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from spanwatch.core.redact import redact

Signal = Literal["traces", "metrics", "logs"]
SIGNALS: tuple[Signal, ...] = ("traces", "metrics", "logs")
PROTOCOLS = ("http/protobuf", "grpc")

_OTLP_NAMES = {"otlp": None, "otlp_proto_http": "http/protobuf", "otlp_proto_grpc": "grpc"}


@dataclass(frozen=True, slots=True)
class Export:
    """One signal that goes out by OTLP.

    `url` is given only when the endpoint is ours; otherwise the stock exporter reads its standard variables itself.
    """

    signal: Signal
    protocol: str
    target: str
    url: str | None = None

    def __repr__(self) -> str:
        """Without a password in the address."""
        return redact(f"Export({self.signal!r}, {self.protocol!r}, {self.target!r}, url={self.url!r})")


def exports_for(
    endpoint: str | None, protocol: str | None, environ: Mapping[str, str], notes: list[str]
) -> tuple[Export, ...]:
    """What goes out: to `endpoint` when given, else where the standard variables say; what is odd is noted."""
    found: list[Export] = []
    for signal in SIGNALS:
        names = [name.strip() for name in environ.get(f"OTEL_{signal.upper()}_EXPORTER", "").split(",") if name.strip()]
        foreign = [name for name in names if name not in _OTLP_NAMES and name != "none"]
        notes.extend(f"OTEL_{signal.upper()}_EXPORTER={name} left to the application" for name in foreign)
        named = next((name for name in names if name in _OTLP_NAMES), None)
        if names and named is None and endpoint is None:
            continue
        chosen = protocol or _OTLP_NAMES[named or "otlp"] or _standard_protocol(signal, environ, notes)
        if endpoint is not None:
            found.append(Export(signal, chosen, endpoint, _signal_url(endpoint, chosen, signal)))
        elif target := _standard_endpoint(signal, environ):
            found.append(Export(signal, chosen, target))
    return tuple(found)


def _standard_endpoint(signal: Signal, environ: Mapping[str, str]) -> str | None:
    own = environ.get(f"OTEL_EXPORTER_OTLP_{signal.upper()}_ENDPOINT", "").strip()
    return own or environ.get("OTEL_EXPORTER_OTLP_ENDPOINT", "").strip() or None


def _standard_protocol(signal: Signal, environ: Mapping[str, str], notes: list[str]) -> str:
    for variable in (f"OTEL_EXPORTER_OTLP_{signal.upper()}_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL"):
        raw = environ.get(variable, "").strip().lower()
        if raw in PROTOCOLS:
            return raw
        if raw:
            note = f"{variable}={raw} ignored, it takes {' or '.join(PROTOCOLS)}"
            if note not in notes:
                notes.append(note)
    return PROTOCOLS[0]


def _signal_url(endpoint: str, protocol: str, signal: Signal) -> str:
    return endpoint if protocol == "grpc" else f"{endpoint.rstrip('/')}/v1/{signal}"
