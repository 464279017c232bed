"""One call between its start and its end, which comes exactly once, however the call ends."""

from __future__ import annotations

import sys
from collections.abc import Callable, MutableMapping
from functools import partial
from typing import Any

from opentelemetry.context import Context
from opentelemetry.trace import Span, SpanContext

from spanwatch.core import names
from spanwatch.core.call import Call, CallStatus
from spanwatch.core.errors import BudgetExceeded
from spanwatch.otel.budgets.holds import Hold
from spanwatch.otel.context import carried
from spanwatch.otel.guard import Guard
from spanwatch.otel.openai.answer import CHUNK, WHOLE, Answer
from spanwatch.otel.openai.content import Output
from spanwatch.otel.openai.endpoints import Shape
from spanwatch.otel.openai.failures import error_type, reduced_message, status_of
from spanwatch.otel.openai.reading import text
from spanwatch.otel.openai.received import output_bytes
from spanwatch.otel.openai.request import Request
from spanwatch.otel.telemetry import Telemetry
from spanwatch.store.forks import PROCESS

Registry = MutableMapping[str, "OpenCall"]


class OpenCall:
    """A started span, what was asked, and what came back so far.

    Every way to end goes through `_end`, and only the first one counts: it takes the call out of the registry of open
    calls. A finalizer may run anywhere, even inside the pipeline's own locks, so it only defers.
    """

    __slots__ = (
        "_first_ns",
        "_guard",
        "_open",
        "_output",
        "_pid",
        "_read",
        "_telemetry",
        "_undo",
        "answer",
        "call_id",
        "chunks",
        "context",
        "done",
        "gone",
        "hides",
        "hold",
        "parent",
        "read",
        "reading",
        "request",
        "span",
        "started_ns",
    )

    def __init__(
        self,
        telemetry: Telemetry,
        guard: Guard,
        registry: Registry,
        request: Request,
        span: Span,
        *,
        context: Context,
        parent: SpanContext,
        started_ns: int,
    ) -> None:
        self._telemetry, self._guard, self._open = telemetry, guard, registry
        self.request, self.span, self.context, self.parent = request, span, context, parent
        self.started_ns, self.call_id, self._pid = started_ns, telemetry.new_id(), PROCESS.pid
        self.answer = Answer()
        self.chunks = 0
        self.reading = False  # inside the client's own iteration: what it closes there is no one's wish
        self.hides = False  # usage was asked for by us: its chunk and the nulls beside it are kept from the app
        self.done = False  # the mark that ends a stream was seen among its bytes
        self.read = False  # the whole answer was
        self.gone = False  # the application let go of the stream
        self.hold: Hold | None = None  # what budgets hold for it
        self._first_ns: int | None = None
        self._read = CHUNK[request.endpoint.shape]
        self._output = Output(request.endpoint.shape) if telemetry.content.on else None
        self._undo: list[Callable[[], object]] = []
        registry[self.call_id] = self

    def undo(self, action: Callable[[], object]) -> None:
        """Run `action` when the call has ended: it takes out what was patched in for it."""
        self._undo.append(action)

    # --- what comes back ---------------------------------------------------------------------------------------

    def whole(self, result: Any) -> None:
        """The answer in one piece; an unreadable one is no error of the application."""
        self.read = True
        self._guard.run("reading an answer", WHOLE[self.request.endpoint.shape], self.answer, result)
        if self._output is not None:
            self._guard.run("reading content", self._output.whole, result)

    def note(self, chunk: Any) -> None:
        """One chunk of a stream, as an object of the client or as JSON."""
        if self._first_ns is None:
            self._first_ns = self._telemetry.clock()
        self.chunks += 1
        try:
            self._read(self.answer, chunk)
            if self._output is not None:
                self._output.chunk(chunk)
            if self.hold is not None:
                self.hold.chunks += 1
                self.hold.received += output_bytes(chunk)
        except Exception as error:  # noqa: BLE001 (the chunk is the application's, whatever it is)
            self._guard.failed("reading a chunk", error)

    def seen(self, chunk: Any) -> bool:
        """Note a chunk object; False when the application would not have got it without us."""
        self.note(chunk)
        if not self.hides:
            return True
        try:
            if not _made_for_usage(chunk):
                return True
        except Exception as error:  # noqa: BLE001 (the chunk is the application's, whatever it is)
            self._guard.failed("hiding usage", error)
            return True
        self.uncounted()
        return False

    def uncounted(self) -> None:
        """The last chunk was hidden: the application never saw it."""
        self.chunks -= 1

    # --- how it ends -------------------------------------------------------------------------------------------

    def succeeded(self) -> None:
        """The answer is whole, or its stream exhausted."""
        self._end(*self._verdict())

    def failed(self, error: BaseException) -> None:
        """The client raised; the error goes on to the application."""
        name = self._guard.run("naming an error", error_type, error) or names.ERROR_OTHER
        self._end(status_of(error), name, error=error)

    def closed(self) -> None:
        """The HTTP response was closed: by the client itself, or by the application before the end."""
        if self.reading or self.gone:
            return
        passing = sys.exception()
        if isinstance(passing, GeneratorExit):
            self.dropped()  # a generator over the body is finalised, perhaps by the garbage collector
        elif self._is_complete():
            self.succeeded()
        elif passing is not None and status_of(passing) is CallStatus.CANCELLED:
            self.failed(passing)
        else:
            self.abandoned()

    def abandoned(self) -> None:
        """The application left the stream before its end."""
        self._end(CallStatus.ABANDONED)

    def dropped(self) -> None:
        """The application let go of the stream without closing it; may be called by the garbage collector."""
        self.gone = True
        verdict = self._verdict() if self._is_complete() else (CallStatus.ABANDONED, None)
        self._telemetry.defer(partial(self._end, *verdict, ended_ns=self._telemetry.clock()))

    def _is_complete(self) -> bool:
        return self.done or self.answer.failure is not None or self.answer.complete

    def _verdict(self) -> tuple[CallStatus, str | None]:
        """How an answer ended of which nothing is missing but perhaps the end."""
        answer, endpoint = self.answer, self.request.endpoint
        if endpoint.operation == names.FETCH_RESPONSE:
            return CallStatus.OK, None
        if answer.failure is not None or answer.status == "failed":
            return CallStatus.ERROR, answer.failure or names.ERROR_OTHER
        if answer.status == "cancelled":
            return CallStatus.CANCELLED, None
        if self.request.stream and endpoint.shape is Shape.RESPONSE and not answer.complete:
            return CallStatus.ERROR, names.ERROR_OTHER  # the stream ended without the event that ends it
        return CallStatus.OK, None

    def _end(
        self,
        status: CallStatus,
        error_name: str | None = None,
        *,
        error: BaseException | None = None,
        ended_ns: int | None = None,
    ) -> None:
        if self._open.pop(self.call_id, None) is None or PROCESS.pid != self._pid:
            return
        for action in self._undo:
            self._guard.run("leaving a stream", action)
        self._undo.clear()
        ended = self._telemetry.clock() if ended_ns is None else ended_ns
        if self.hold is not None:
            self.hold.ended, self.hold.awaited = True, self.answer.waiting
        call = self._guard.run("describing a call", self._call, status, error_name, ended)
        extra = self._guard.run("describing an answer", self._extra, error) or {}
        if call is not None:
            self._telemetry.finish(self.span, call, extra=extra, error=error)
        else:
            self.span.end(ended)

    def _call(self, status: CallStatus, error_name: str | None, ended_ns: int) -> Call:
        request, answer = self.request, self.answer
        own, parent = self.span.get_span_context(), self.parent
        tier = text(answer.service_tier) or request.attributes.get(names.OPENAI_REQUEST_SERVICE_TIER)
        usage, who = answer.usage, carried(self.context)
        fetched = request.fetched_id
        return Call(
            call_id=self.call_id,
            operation=request.endpoint.operation,
            started_ns=self.started_ns,
            ended_ns=max(ended_ns, self.started_ns),
            status=status,
            provider=request.server.provider,
            request_model=request.model,
            response_model=answer.model,
            response_id=answer.response_id or fetched,
            usage=usage,
            stream=request.stream,
            time_to_first_chunk_s=None if self._first_ns is None else max(0, self._first_ns - self.started_ns) / 1e9,
            chunks=self.chunks,
            error_type=error_name,
            finish_reasons=answer.finish_reasons,
            server_address=request.server.address,
            server_port=request.server.port,
            service_tier=tier,
            price_context=() if tier is None else (("service_tier", tier),),
            provider_cost_nano_usd=answer.stated_cost,
            api=request.endpoint.api,
            user_id=request.user_id or who.user_id,
            conversation_id=request.conversation_id or who.conversation_id,
            agent=who.agent,
            app_version=who.app_version,
            trace_id=f"{own.trace_id:032x}" if own.is_valid else None,
            span_id=f"{own.span_id:016x}" if own.is_valid else None,
            parent_span_id=f"{parent.span_id:016x}" if parent.is_valid else None,
            sampled=own.trace_flags.sampled,
            settles=fetched if usage is not None else None,
        )

    def _extra(self, error: BaseException | None) -> dict[str, Any]:
        answer = self.answer
        stated = {
            names.OPENAI_RESPONSE_SERVICE_TIER: text(answer.service_tier),
            names.OPENAI_RESPONSE_SYSTEM_FINGERPRINT: text(answer.fingerprint),
        }
        found: dict[str, Any] = {name: value for name, value in stated.items() if value is not None}
        if self.request.fetched_id is not None and answer.status is not None:
            found[names.RESPONSE_STATUS] = answer.status
        if isinstance(error, BudgetExceeded):
            found[names.BUDGET_NAME] = error.budget
            if error.scope:
                found[names.BUDGET_SCOPE] = error.scope
        if self._output is not None:
            found.update(self._output.attributes(self._telemetry.content.max_bytes, self.request.attributes))
        elif error is not None:
            found[names.EXCEPTION_MESSAGE] = reduced_message(error)
        return found


def _made_for_usage(chunk: Any) -> bool:
    """Whether a chunk is there for the usage alone. The null usage of any other chunk is made as if never set."""
    if chunk.usage is None:
        chunk.model_fields_set.discard("usage")
        return False
    return not chunk.choices
