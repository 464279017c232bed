"""A sampler that lets no model call go unseen: what it would drop, it records without exporting."""

from __future__ import annotations

from collections.abc import Sequence

from opentelemetry.context import Context
from opentelemetry.sdk.trace.sampling import Decision, Sampler, SamplingResult
from opentelemetry.trace import Link, SpanKind, TraceState
from opentelemetry.util.types import Attributes

from spanwatch.core.dialects import is_genai


class GenAISampler(Sampler):
    """Asks `inner`; DROP becomes RECORD_ONLY for GenAI spans, so that their usage is read and nothing is sent."""

    def __init__(self, inner: Sampler) -> None:
        self._inner = inner

    def should_sample(  # noqa: PLR0917 (the SDK's signature)
        self,
        parent_context: Context | None,
        trace_id: int,
        name: str,
        kind: SpanKind | None = None,
        attributes: Attributes = None,
        links: Sequence[Link] | None = None,
        trace_state: TraceState | None = None,
    ) -> SamplingResult:
        """The inner decision, or RECORD_ONLY with the caller's attributes, which a DROP result has lost."""
        result = self._inner.should_sample(parent_context, trace_id, name, kind, attributes, links, trace_state)
        if result.decision is Decision.DROP and is_genai(attributes, name):
            return SamplingResult(Decision.RECORD_ONLY, attributes, result.trace_state)
        return result

    def get_description(self) -> str:
        """The inner description, named ours."""
        return f"GenAISampler{{{self._inner.get_description()}}}"
