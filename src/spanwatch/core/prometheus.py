"""What OTel metrics are called in Prometheus, as its OTLP receiver names them.

https://github.com/open-telemetry/opentelemetry-specification/blob/main/specification/compatibility/prometheus_and_openmetrics.md
"""

from __future__ import annotations

import re

from spanwatch.core.points import Kind

_UNITS = {
    "d": "days",
    "h": "hours",
    "min": "minutes",
    "s": "seconds",
    "ms": "milliseconds",
    "us": "microseconds",
    "ns": "nanoseconds",
    "By": "bytes",
    "KiBy": "kibibytes",
    "MiBy": "mebibytes",
    "GiBy": "gibibytes",
    "TiBy": "tibibytes",
    "KBy": "kilobytes",
    "MBy": "megabytes",
    "GBy": "gigabytes",
    "TBy": "terabytes",
    "m": "meters",
    "V": "volts",
    "A": "amperes",
    "J": "joules",
    "W": "watts",
    "g": "grams",
    "Cel": "celsius",
    "Hz": "hertz",
    "1": "",
    "%": "percent",
}
_PER = {"s": "second", "m": "minute", "h": "hour", "d": "day", "w": "week", "mo": "month", "y": "year"}
_OTHER = re.compile(r"[^a-zA-Z0-9:]+")
_ANNOTATION = re.compile(r"\{[^}]*\}")


def metric_name(name: str, kind: Kind, unit: str = "") -> str:
    """An instrument's name: `spanwatch.cost.usd` in `{USD}`, a counter, is `spanwatch_cost_usd_total`."""
    words = [word for word in _OTHER.sub("_", name).split("_") if word]
    for part in unit_words(unit):
        if part and part not in words:
            words.append(part)
    if kind == "gauge" and unit == "1" and "ratio" not in words:
        words.append("ratio")
    if kind == "counter":
        words = [*(word for word in words if word != "total"), "total"]
    joined = "_".join(words)
    return f"_{joined}" if joined[:1].isdigit() else joined


def label_name(key: str) -> str:
    """An attribute's name as a label: `gen_ai.request.model` is `gen_ai_request_model`."""
    plain = re.sub(r"[^a-zA-Z0-9_]", "_", key)
    if plain[:1].isdigit():
        return f"key_{plain}"
    return f"key{plain}" if plain.startswith("_") and not plain.startswith("__") else plain


def unit_words(unit: str) -> tuple[str, ...]:
    """What a unit adds to a name: `s` is `seconds`, `By/s` is `bytes` `per_second`; annotations add nothing."""
    plain = _ANNOTATION.sub("", unit).strip()
    top, slash, bottom = plain.partition("/")
    if not slash:
        return (_word(plain),)
    below = _PER.get(bottom.strip(), _word(bottom.strip()))
    return (_word(top.strip()), f"per_{below}" if below else "")


def _word(unit: str) -> str:
    return _UNITS.get(unit, _OTHER.sub("_", unit).strip("_"))
