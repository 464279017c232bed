"""What tells agents, workflows, tools, retrievals and requests apart; and the plan of one scope."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from opentelemetry.trace import SpanKind
from opentelemetry.util.types import AttributeValue

from spanwatch.core import names
from spanwatch.otel.context import NOTHING, Carried


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of scope.

    `called` is the attribute of its name, `given` and `gave` those of content that goes in and comes out, `duration`
    its metric. Of a kind with `requests` the outermost one is a request.
    """

    word: str
    called: str
    operation: str | None = None
    span_kind: SpanKind = SpanKind.INTERNAL
    duration: names.Metric | None = None
    given: str | None = None
    gave: str | None = None
    requests: bool = False


AGENT = Kind(
    "agent",
    names.AGENT_NAME,
    names.INVOKE_AGENT,
    duration=names.AGENT_DURATION,
    given=names.INPUT_MESSAGES,
    gave=names.OUTPUT_MESSAGES,
    requests=True,
)
WORKFLOW = Kind(
    "workflow",
    names.WORKFLOW_NAME,
    names.INVOKE_WORKFLOW,
    duration=names.WORKFLOW_DURATION,
    given=names.INPUT_MESSAGES,
    gave=names.OUTPUT_MESSAGES,
    requests=True,
)
TOOL = Kind(
    "tool",
    names.TOOL_NAME,
    names.EXECUTE_TOOL,
    duration=names.TOOL_DURATION,
    given=names.TOOL_CALL_ARGUMENTS,
    gave=names.TOOL_CALL_RESULT,
)
RETRIEVAL = Kind(
    "retrieval",
    names.DATA_SOURCE_ID,
    names.RETRIEVAL,
    SpanKind.CLIENT,
    duration=names.OPERATION_DURATION,
    given=names.RETRIEVAL_QUERY_TEXT,
    gave=names.RETRIEVAL_DOCUMENTS,
)
REQUEST = Kind("request", names.REQUEST_NAME, requests=True)


@dataclass(frozen=True, slots=True)
class Plan:
    """A scope that has not begun: what its span is called and says, and what the scope carries.

    `labels` are those of its metrics, `replaced` counts given values that could not be recorded as they were.
    """

    kind: Kind
    name: str
    attributes: Mapping[str, AttributeValue]
    labels: Mapping[str, str | int]
    carries: Carried = NOTHING
    trusts_baggage: bool = False
    replaced: int = 0
    arguments: Any = None
    span_name: str = field(init=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "span_name", self._span_name())

    def _span_name(self) -> str:
        """By the convention: the operation and the name."""
        if self.name == self.kind.word and self.kind.operation is None:
            return self.name
        return f"{self.kind.operation or self.kind.word} {self.name}"
