"""spanwatch: every model call of an agent traced, truly priced, and kept."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from spanwatch.core.call import Call as Call
    from spanwatch.core.call import Cost as Cost
    from spanwatch.core.call import Usage as Usage
    from spanwatch.core.errors import ConfigurationError as ConfigurationError
    from spanwatch.core.errors import SpanwatchError as SpanwatchError
    from spanwatch.core.prices import price as price
    from spanwatch.otel.setup import configure as configure
    from spanwatch.otel.setup import flush as flush
    from spanwatch.otel.setup import shutdown as shutdown

_HOMES = {
    "Call": "spanwatch.core.call",
    "ConfigurationError": "spanwatch.core.errors",
    "Cost": "spanwatch.core.call",
    "SpanwatchError": "spanwatch.core.errors",
    "Usage": "spanwatch.core.call",
    "configure": "spanwatch.otel.setup",
    "flush": "spanwatch.otel.setup",
    "price": "spanwatch.core.prices",
    "shutdown": "spanwatch.otel.setup",
}

__all__ = ["Call", "ConfigurationError", "Cost", "SpanwatchError", "Usage", "configure", "flush", "price", "shutdown"]


def __getattr__(name: str) -> Any:
    if name == "__version__":
        return importlib.import_module("importlib.metadata").version("spanwatch")
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module 'spanwatch' has no attribute {name!r}")
    return getattr(importlib.import_module(home), name)


def __dir__() -> list[str]:
    return sorted([*__all__, "__version__"])
