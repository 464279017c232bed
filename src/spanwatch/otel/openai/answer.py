"""What came back so far: facts read from whole answers and from chunks alike, tolerant of anything missing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from spanwatch.core.call import Usage
from spanwatch.otel.openai.endpoints import Shape
from spanwatch.otel.openai.failures import code
from spanwatch.otel.openai.reading import get, sequence, text, values
from spanwatch.otel.openai.usage import stated_cost, usage_of

NO_REASON = "error"  # the convention's word for a choice whose reason never came

_ENDED = frozenset({"completed", "incomplete", "failed", "cancelled"})
_WAITING = frozenset({"queued", "in_progress"})
_REASONS = {"max_output_tokens": "length"}


@dataclass(slots=True)
class Answer:
    """The facts of one answer; `raw_usage` is kept as it came and read once, at the end."""

    response_id: str | None = None
    model: str | None = None
    service_tier: str | None = None
    fingerprint: str | None = None
    raw_usage: Any = None
    choices: dict[int, str | None] = field(default_factory=dict)  # index → finish reason
    status: str | None = None  # of a response object
    incomplete: str | None = None  # why a response is
    failure: str | None = None  # a code: of a failed response, or of an error event in a stream
    web_searches: int = 0
    calls_tools: bool = False

    @property
    def usage(self) -> Usage | None:
        """The stated counts, or None."""
        return usage_of(self.raw_usage, self.web_searches)

    @property
    def stated_cost(self) -> int | None:
        """What the server says the call cost, in nano-USD."""
        return None if self.raw_usage is None else stated_cost(self.raw_usage)

    @property
    def complete(self) -> bool:
        """Whether nothing of a streamed answer can still come: its usage did, or its last event."""
        return self.status in _ENDED if self.status is not None else self.raw_usage is not None

    @property
    def finish_reasons(self) -> tuple[str, ...]:
        """One reason per choice, in the order of the choices."""
        if self.choices:
            return tuple(self.choices[index] or NO_REASON for index in sorted(self.choices))
        if self.status is None or self.status in _WAITING:
            return ()
        if self.status == "completed":
            return ("tool_calls",) if self.calls_tools else ("stop",)
        if self.status == "incomplete" and self.incomplete is not None:
            return (_REASONS.get(self.incomplete, self.incomplete),)
        return (NO_REASON,)


def read_choices(answer: Answer, source: Any) -> None:
    """A chat or text completion, or one chunk of it."""
    fields = values(source)
    if answer.model is None:
        answer.response_id = text(fields.get("id")) or answer.response_id
        answer.model = text(fields.get("model"))
    usage = fields.get("usage")
    if usage is not None:
        answer.raw_usage = usage
    tier = fields.get("service_tier")
    if tier is not None:
        answer.service_tier = text(tier)
    fingerprint = fields.get("system_fingerprint")
    if fingerprint is not None:
        answer.fingerprint = text(fingerprint)
    choices = fields.get("choices")
    if choices:
        for position, choice in enumerate(sequence(choices)):
            _read_choice(answer, source, choice, position)
    elif (error := fields.get("error")) is not None:  # an event among bytes; the client would raise for it
        answer.failure = code(get(error, "code")) or code(get(error, "type")) or NO_REASON


def _read_choice(answer: Answer, source: Any, choice: Any, position: int) -> None:
    fields = values(choice)
    index, reason = fields.get("index"), fields.get("finish_reason")
    if not isinstance(index, int):
        index = position
    if reason is None:
        answer.choices.setdefault(index, None)
        return
    answer.choices[index] = text(reason)
    if answer.raw_usage is None:  # Moonshot states it in the last choice, Groq beside it
        answer.raw_usage = get(choice, "usage") or get(get(source, "x_groq"), "usage")


def read_response(answer: Answer, source: Any) -> None:
    """A response object, finished or not."""
    fields = values(source)
    answer.response_id = text(fields.get("id")) or answer.response_id
    answer.model = text(fields.get("model")) or answer.model
    answer.service_tier = text(fields.get("service_tier")) or answer.service_tier
    answer.status = text(fields.get("status")) or "completed"
    usage = fields.get("usage")
    if usage is not None:
        answer.raw_usage = usage
    if answer.status == "incomplete":
        answer.incomplete = text(get(fields.get("incomplete_details"), "reason"))
    elif answer.status == "failed":
        answer.failure = code(get(fields.get("error"), "code")) or answer.failure
    searches = 0
    for item in sequence(fields.get("output")):
        kind = get(item, "type")
        searches += kind == "web_search_call"
        answer.calls_tools = answer.calls_tools or kind in {"function_call", "custom_tool_call"}
    answer.web_searches = searches


def read_event(answer: Answer, event: Any) -> None:
    """One event of a streamed response."""
    fields = values(event)
    response = fields.get("response")
    if response is not None:
        read_response(answer, response)
        return
    kind = fields.get("type")
    if isinstance(kind, str) and not kind.startswith("response."):
        stated = get(event, "error") or event
        if kind == "error" or get(stated, "message") is not None:
            answer.failure = code(get(stated, "code")) or answer.failure or NO_REASON


def read_plain(answer: Answer, source: Any) -> None:
    """An embeddings or image answer, or one event of a streamed image."""
    fields = values(source)
    answer.model = text(fields.get("model")) or answer.model
    usage = fields.get("usage")
    if usage is not None:
        answer.raw_usage = usage


Reader = Callable[[Answer, Any], None]

WHOLE: dict[Shape, Reader] = {
    Shape.CHAT: read_choices,
    Shape.RESPONSE: read_response,
    Shape.EMBEDDINGS: read_plain,
    Shape.IMAGES: read_plain,
}
CHUNK: dict[Shape, Reader] = {**WHOLE, Shape.RESPONSE: read_event}
