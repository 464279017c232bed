"""Which of the offered tools an answer calls."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from demo.server.config import Config

_MARKER = "CALL:"


def pick(config: Config, tools: Sequence[Any], items: Sequence[Any], system: str) -> list[str]:
    """The names of the tools to call now.

    `items` are chat messages or Responses input items. Markers `CALL:<tool>` in the system text are followed one per
    turn, those already called are skipped; `NOCALL` calls nothing. Without markers `config.tool_calls` decides.
    """
    offered = [name for tool in tools if isinstance(tool, dict) and (name := _name(tool))]
    if not offered or config.tool_calls == 0:
        return []
    markers = [word[len(_MARKER) :].strip(".,;") for word in system.split() if word.startswith(_MARKER)]
    if markers or "NOCALL" in system:
        return _next_marked(markers, offered, _called(items))
    last = items[-1] if items and isinstance(items[-1], dict) else {}
    if last.get("role") == "tool" or last.get("type") == "function_call_output":
        return []
    count = 1 if config.tool_calls < 0 else config.tool_calls
    return [offered[index % len(offered)] for index in range(count)]


def _name(tool: dict[str, Any]) -> str | None:
    return tool.get("name") or (tool.get("function") or {}).get("name")


def _called(items: Sequence[Any]) -> list[str]:
    called: list[str] = []
    for item in items:
        if not isinstance(item, dict):
            continue
        if item.get("type") == "function_call":
            called.append(item.get("name", ""))
        called.extend((call.get("function") or {}).get("name", "") for call in item.get("tool_calls") or [])
    return called


def _next_marked(markers: list[str], offered: list[str], called: list[str]) -> list[str]:
    for name in markers:
        if name in called:
            called.remove(name)
        elif name in offered:
            return [name]
    return []
