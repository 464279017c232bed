"""What came back so far: facts read from whole answers and from chunks alike, tolerant of anything missing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from spanwatch.core import names
from spanwatch.core.call import Usage
from spanwatch.otel.openai.endpoints import Shape
from spanwatch.otel.openai.failures import code
from spanwatch.otel.openai.reading import get, sequence, text, values
from spanwatch.otel.openai.usage import stated_cost, usage_of

NO_REASON = "error"  # the convention's word for a choice whose reason never came

_ENDED = frozenset({"completed", "incomplete", "failed", "cancelled"})
_WAITING = frozenset({"queued", "in_progress"})
_FAILING = frozenset({None, "failed"})  # None: an error in place of a response
_REASONS = {"max_output_tokens": "length"}


@dataclass(slots=True)
class Answer:
    """The facts of one answer; usage, tier and fingerprint are kept as they came and read once, at the end."""

    response_id: str | None = None
    model: str | None = None
    service_tier: Any = None
    fingerprint: Any = None
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
        if self.status is not None:
            return self.status in _ENDED
        return self.raw_usage is not None and None not in self.choices.values()

    @property
    def waiting(self) -> bool:
        """Whether the provider works on in the background: the usage comes to who fetches the response."""
        return self.status in _WAITING

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
    answer.service_tier = fields.get("service_tier") or answer.service_tier
    answer.fingerprint = fields.get("system_fingerprint") or answer.fingerprint
    choices = fields.get("choices")
    if choices:
        for position, choice in enumerate(sequence(choices)):
            _read_choice(answer, source, choice, position)
    error = (
        fields.get("error") if choices else get(source, "error")
    )  # with choices only bytes show it: the client raises
    if error is not None:
        answer.failure = _failure(error)


def _read_choice(answer: Answer, source: Any, choice: Any, position: int) -> None:
    fields = values(choice)
    index, reason = fields.get("index"), fields.get("finish_reason")
    if not isinstance(index, int):
        index = position
    if reason is None:
        answer.choices.setdefault(index, None)
    else:
        answer.choices[index] = text(reason)
    if answer.raw_usage is None and (reason is not None or getattr(choice, "__pydantic_extra__", True)):
        # Moonshot states it in the last choice, Groq beside it
        answer.raw_usage = get(choice, "usage") or get(get(source, "x_groq"), "usage")


def _failure(error: Any) -> str:
    """The code of an error that came as an answer, with HTTP status 200 or inside a stream."""
    return code(get(error, "code")) or code(get(error, "type")) or names.ERROR_OTHER


def read_response(answer: Answer, source: Any) -> None:
    """A response object, finished or not."""
    fields = values(source)
    answer.response_id = text(fields.get("id")) or answer.response_id
    answer.model = text(fields.get("model")) or answer.model
    answer.service_tier = text(get(source, "service_tier")) or answer.service_tier
    error, output = get(source, "error"), fields.get("output")
    answer.status = text(fields.get("status")) or (None if output is None else "completed")
    usage = fields.get("usage")
    if usage is not None:
        answer.raw_usage = usage
    if answer.status == "incomplete":
        answer.incomplete = text(get(fields.get("incomplete_details"), "reason"))
    elif error is not None and answer.status in _FAILING:
        answer.failure = _failure(error)
    searches = 0
    for item in sequence(output):
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
    if kind is None and get(event, "event") == "error":  # how openai 1.x hands on an event that it does not know
        kind, event = "error", get(event, "data")
    if kind == "error" or (kind is None and get(event, "error") is not None):
        answer.failure = _failure(get(event, "error") or {"code": get(event, "code")})


def read_plain(answer: Answer, source: Any) -> None:
    """An embeddings or image answer, or one event of a streamed image."""
    answer.model = text(get(source, "model")) or answer.model
    usage = get(source, "usage")
    if usage is not None:
        answer.raw_usage = usage
    elif (error := get(source, "error")) is not None:
        answer.failure = _failure(error)


Reader = Callable[[Answer, Any], None]

WHOLE: dict[Shape, Reader] = {
    Shape.CHAT: read_choices,
    Shape.RESPONSE: read_response,
    Shape.EMBEDDINGS: read_plain,
    Shape.IMAGES: read_plain,
}
CHUNK: dict[Shape, Reader] = {**WHOLE, Shape.RESPONSE: read_event}
