"""What the spans of the OpenAI Agents SDK stand for: scopes of ours, plain spans, and calls that nobody else sees."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from opentelemetry.util.types import AttributeValue

from spanwatch.core import names
from spanwatch.core.call import Usage
from spanwatch.otel.context import NOTHING, Carried
from spanwatch.otel.spans.kinds import AGENT, TOOL, WORKFLOW, Plan

Attributes = dict[str, AttributeValue]
MODELS = frozenset({"generation", "response"})
PASSED = frozenset({"task"})  # says what its trace says
TOOL_ERROR = "tool_error"
_DIRECT = "model_impl"  # in the settings of a model that another library calls
_LONGEST = 256


def workflow_plan(trace: Any) -> Plan:
    """A trace: the workflow, whose group is the conversation."""
    name, group = str(trace.name or "workflow"), getattr(trace, "group_id", None)
    found: Attributes = {names.OPERATION_NAME: names.INVOKE_WORKFLOW, names.WORKFLOW_NAME: name}
    carries = Carried(conversation_id=str(group)) if group else NOTHING
    return Plan(WORKFLOW, name, found, {names.WORKFLOW_NAME: name}, carries)


def scope_plan(data: Any) -> Plan | None:
    """An agent or a tool; None for every other kind of span."""
    name = str(getattr(data, "name", None) or data.type)
    if data.type == "agent":
        found: Attributes = {names.OPERATION_NAME: names.INVOKE_AGENT, names.AGENT_NAME: name}
        labels = {names.OPERATION_NAME: names.INVOKE_AGENT, names.AGENT_NAME: name}
        return Plan(AGENT, name, found, labels, Carried(agent=name))
    if data.type == "function":
        found = {names.OPERATION_NAME: names.EXECUTE_TOOL, names.TOOL_NAME: name, names.TOOL_TYPE: "function"}
        return Plan(TOOL, name, found, {names.TOOL_NAME: name, names.TOOL_TYPE: "function"})
    return None


def plain_name(data: Any) -> str:
    """What a span without a scope is called."""
    if data.type == "guardrail":
        return f"guardrail {data.name}"
    if data.type == "turn":
        return f"turn {data.agent_name}"
    if data.type == "handoff":
        return "handoff"
    if data.type == "mcp_tools":
        return f"{names.MCP_LIST_TOOLS} {data.server}" if data.server else names.MCP_LIST_TOOLS
    return str(getattr(data, "name", None) or data.type)


def plain_attributes(data: Any, *, content: bool) -> Attributes:
    """What such a span says at its end."""
    if data.type == "guardrail":
        return {names.GUARDRAIL_NAME: str(data.name), names.GUARDRAIL_TRIGGERED: bool(data.triggered)}
    if data.type == "handoff":
        known = {names.HANDOFF_FROM: data.from_agent, names.HANDOFF_TO: data.to_agent}
        return {name: str(value) for name, value in known.items() if value}
    if data.type == "turn":
        return {names.TURN: int(data.turn), names.AGENT_NAME: str(data.agent_name)}
    if data.type == "mcp_tools":
        found: Attributes = {names.MCP_METHOD: names.MCP_LIST_TOOLS, names.RESULT_ITEMS: len(data.result or ())}
        return {**found, names.MCP_SERVER: str(data.server)} if data.server else found
    if data.type == "custom" and content:
        return {names.CUSTOM_DATA: json.dumps(data.data, default=str)[:65_536]}
    return {}


def tool_end(data: Any, *, content: bool) -> Attributes:
    """What a tool says at its end: the MCP server it came from, which the SDK notes when it calls it."""
    found = {names.MCP_SERVER: (data.mcp_data or {}).get("server")}
    if content:
        found |= {names.TOOL_CALL_ARGUMENTS: data.input, names.TOOL_CALL_RESULT: data.output}
    return {name: str(value)[:65_536] for name, value in found.items() if value is not None}


def elsewhere_called(data: Any) -> bool:
    """Whether another library than the OpenAI client calls this model."""
    return data.type == "generation" and bool((data.model_config or {}).get(_DIRECT))


def model_of(data: Any) -> str | None:
    """The model of a call, as it was asked for or as it answered."""
    model = getattr(data, "model", None) or getattr(getattr(data, "response", None), "model", None)
    return str(model) if model else None


def usage_of(data: Any) -> Usage | None:
    """The usage that a model's span ended with."""
    stated = data.usage
    if not isinstance(stated, Mapping):
        return None
    asked, made = stated.get("input_tokens_details") or {}, stated.get("output_tokens_details") or {}
    usage = Usage(
        input_tokens=_count(stated.get("input_tokens")),
        output_tokens=_count(stated.get("output_tokens")),
        cache_read_tokens=_count(asked.get("cached_tokens")),
        cache_write_tokens=_count(asked.get("cache_write_tokens")),
        reasoning_tokens=_count(made.get("reasoning_tokens")),
    )
    return usage if usage.input_tokens or usage.output_tokens else None


def failure_of(span: Any) -> tuple[str, str] | None:
    """Type and text of the error that the SDK noted on a span."""
    stated = span.error
    if not stated:
        return None
    kind = TOOL_ERROR if span.span_data.type == "function" else names.ERROR_OTHER
    return kind, str(stated.get("message", ""))[:_LONGEST]


def _count(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None
