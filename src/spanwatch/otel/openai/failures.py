"""What went wrong, in words of low cardinality that quote nobody."""

from __future__ import annotations

import re
import sys
from concurrent.futures import CancelledError
from typing import Any

from spanwatch.core.call import CallStatus
from spanwatch.core.errors import BudgetExceeded

_CODE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:-]{0,63}")


def status_of(error: BaseException) -> CallStatus:
    """Refused by a budget, cancelled when the application or its user stopped the call, else error."""
    if isinstance(error, BudgetExceeded):
        return CallStatus.REFUSED
    cancelled = not isinstance(error, Exception) or isinstance(error, CancelledError)
    return CallStatus.CANCELLED if cancelled else CallStatus.ERROR


def error_type(error: BaseException) -> str:
    """An exception's public name, such as `openai.RateLimitError`; the code of an error inside a stream."""
    kind = type(error)
    if getattr(error, "request", None) is not None and kind.__name__ == "APIError":
        # Raised for an error event in a stream: the class says nothing, the event does.
        stated = code(getattr(error, "code", None)) or code(getattr(error, "type", None))
        if stated is not None:
            return stated
    return public_name(kind)


def public_name(kind: type) -> str:
    """A class by the shortest path under which its package exports it; builtins by their bare name."""
    module = kind.__module__
    if module == "builtins":
        return kind.__qualname__
    package = module.partition(".")[0]
    if vars(sys.modules.get(package, object)).get(kind.__name__) is kind:
        return f"{package}.{kind.__qualname__}"
    return ".".join([*(part for part in module.split(".") if not part.startswith("_")), kind.__qualname__])


def code(value: Any) -> str | None:
    """A machine's code as it is, or None for anything that could be prose. Gateways put an HTTP status there."""
    if isinstance(value, int) and 100 <= value < 600:
        return str(value)
    return value if isinstance(value, str) and _CODE.fullmatch(value) else None


def reduced_message(error: BaseException) -> str:
    """What may be said of an exception with content off: its type, and status and codes of an HTTP answer."""
    parts = [error_type(error)]
    status = getattr(error, "status_code", None)
    if isinstance(status, int):
        parts.append(f"status {status}")
    parts.extend(
        f"{name} {stated}" for name in ("type", "code") if (stated := code(getattr(error, name, None))) is not None
    )
    return ", ".join(parts)
