"""Attributes of any instrumentation → Call.

Three generations of GenAI names are in use, and each package adds its own. A dialect is one small function from
attributes to the fields it knows; the registry merges them, the newest name first. A further dialect is one more entry
there.
"""

from __future__ import annotations

from spanwatch.core.dialects.mcp import tool_of
from spanwatch.core.dialects.reading import operation_of
from spanwatch.core.dialects.spans import (
    Role,
    SpanFacts,
    inherited,
    is_genai,
    is_recognised,
    new_facts,
    read_call,
    role_of,
)
from spanwatch.core.dialects.values import provider_name

__all__ = [
    "Role",
    "SpanFacts",
    "inherited",
    "is_genai",
    "is_recognised",
    "new_facts",
    "operation_of",
    "provider_name",
    "read_call",
    "role_of",
    "tool_of",
]
