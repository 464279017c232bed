"""The Model Context Protocol, as its Python SDK says what client and server ask each other."""

from __future__ import annotations

from spanwatch.core import names
from spanwatch.core.dialects.frameworks import PENDING
from spanwatch.core.dialects.values import Attributes, text

_CALLS = "tools/call"


def operation(attributes: Attributes, _name: str) -> str:
    """A tool that is called; lists, prompts and resources are no operation of their own."""
    return names.EXECUTE_TOOL if attributes.get(names.MCP_METHOD) == _CALLS else PENDING


def tool_of(attributes: Attributes, name: str) -> str | None:
    """The tool of a span with this name; the SDK's client says it there only, after the method."""
    stated = text(attributes.get(names.TOOL_NAME))
    if stated is None and attributes.get(names.MCP_METHOD) == _CALLS:
        return name.partition(f"{_CALLS} ")[2] or None
    return stated
