"""What happens to a finished call: counted once, priced, written on its span, rolled up, journaled, measured."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

from opentelemetry._logs import Logger
from opentelemetry.trace import Span, SpanContext, StatusCode
from opentelemetry.util.types import AttributeValue

from spanwatch.core import names
from spanwatch.core.attributes import COMPATIBLE_COST, Value, cost_attributes, response_attributes, usage_attributes
from spanwatch.core.call import Call, CallStatus, Cost, Usage
from spanwatch.core.dialects import Role
from spanwatch.core.records import call_body, usage_from
from spanwatch.otel.counted import Awaited, Counted
from spanwatch.otel.errors import emit_exception, safe_message
from spanwatch.otel.frames import Frame, Frames
from spanwatch.otel.guard import Guard
from spanwatch.otel.journal import Journal
from spanwatch.otel.worker import Counted as Measurement
from spanwatch.otel.worker import Worker

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Verdict:
    """A call after counting; a duplicate is part of another call and in no sum."""

    call: Call
    duplicate: bool = False


class Pipeline:
    """Takes finished calls from our call sites (`finish`) and of foreign spans (`observe`), from any thread.

    Args:
        price: Call → Cost; its failures leave the cost unknown.
        worker: Where measurements are queued.
        frames: The open spans; share it with the `CallProcessor`.
        journal: Where calls are kept, or None to keep none.
        guard: Where failures of hooks stop.
        logger: The OTel logger in force, for exception events, or None.
        compat: Further span attributes that peers read the dollars from.
        content_on: Whether exception messages, which may quote content, are recorded.
        observers: Called with every kept call on the thread that ends it; a call whose usage came late, again.
    """

    def __init__(
        self,
        price: Callable[[Call], Cost],
        worker: Worker,
        frames: Frames,
        guard: Guard,
        *,
        journal: Journal | None = None,
        logger: Callable[[], Logger] | None = None,
        compat: Sequence[str] = COMPATIBLE_COST,
        content_on: bool = False,
        observers: Sequence[Callable[[Call], None]] = (),
    ) -> None:
        self._price, self._worker, self.frames, self.guard, self.journal = price, worker, frames, guard, journal
        self._logger, self._compat, self._content_on = logger, tuple(compat), content_on
        self._observers = tuple(observers)
        self._counted = Counted()
        frames.orphaned = self._orphan

    def finish(
        self,
        span: Span,
        call: Call,
        *,
        extra: Mapping[str, AttributeValue] | None = None,
        error: BaseException | None = None,
    ) -> Call:
        """Count a call of our own call site, write it on its span and end that at `call.ended_ns`; never raises.

        `extra` are further attributes that only the call site knows; `exception.message` there is a message without
        content, and goes on the exception event only. Finishing a call twice counts it once.
        """
        verdict = self.guard.run("counting a call", self._decide, span.get_span_context(), call) or Verdict(call)
        if span.is_recording():
            self.guard.run("describing a call", self._describe, span, verdict)
            if extra:
                further = {name: value for name, value in extra.items() if name != names.EXCEPTION_MESSAGE}
                self.guard.run("describing a call", span.set_attributes, further)
        if error is not None:
            self.guard.run("reporting an exception", self._report, span, verdict.call, error, extra)
        self.guard.run("ending a span", span.end, verdict.call.ended_ns)
        return verdict.call

    def observe(self, call: Call, context: SpanContext) -> dict[str, Value]:
        """Count the call of a foreign span that has just ended; the attributes that its rebuilt copy gains."""
        verdict = self._decide(context, call)
        found: dict[str, Value] = {names.CALL_ID: verdict.call.call_id}
        if verdict.duplicate:
            found[names.CALL_DUPLICATE] = True
            return found
        if verdict.call.usage is not None and verdict.call.usage != call.usage:
            found.update(usage_attributes(verdict.call.usage))
        if verdict.call.cost is not None:
            found.update(cost_attributes(verdict.call.cost, self._compat))
        return found

    def _decide(self, context: SpanContext, call: Call) -> Verdict:
        if not self._counted.first(call.call_id):
            return Verdict(call)
        frame = self.frames.of(context.span_id)
        if frame is not None:
            frame.ended = True
            call = self.frames.inherit(frame, call)
        if call.status is CallStatus.REFUSED:
            self._keep(call)
            return Verdict(call)
        if call.operation == names.FETCH_RESPONSE:
            return Verdict(self._fetched(call, context))
        return self._count(call, frame, context)

    def _count(self, call: Call, frame: Frame | None, context: SpanContext | None) -> Verdict:
        role = Role.EMBEDDINGS if call.operation == names.EMBEDDINGS else Role.INFERENCE
        if frame is not None:
            outer = self.frames.outer(frame, role)
            if outer is not None:
                self._feed(outer, call)
                return Verdict(call, duplicate=True)
            if frame.inside is role:
                return Verdict(call, duplicate=True)
            if frame.donor is not None:
                call = filled(call, frame.donor)
        if call.response_id is not None and self._counted.repeated(call.response_id, call.scope):
            self._bring(call, self._counted.awaited(call.response_id) if call.usage is not None else None)
            return Verdict(call, duplicate=True)
        call = self._priced(call)
        if frame is not None:
            self.frames.count(frame, call, role)
        self._keep(call)
        self._worker.put(Measurement(call, context))
        if call.usage is None:
            self._counted.await_usage(call, frame, context)
        return Verdict(call)

    def _feed(self, outer: Frame, call: Call) -> None:
        """Give a duplicate's knowledge to the outermost span of its call, which may have ended before."""
        if not outer.ended:
            if outer.donor is None or call.usage is not None:
                outer.donor = call
        elif outer.call is not None and outer.call.usage is None:
            self._counted.awaited(outer.call.response_id)
            self._bring(call, Awaited(outer.call, outer, None))

    def _bring(self, donor: Call, awaited: Awaited | None) -> None:
        """Settle a call that was counted without usage, once."""
        if awaited is None or donor.usage is None:
            return
        settled = self._settle(awaited, donor)
        self._keep(settled)

    def _settle(self, awaited: Awaited, donor: Call) -> Call:
        settled = self._priced(filled(awaited.call, donor))
        if awaited.frame is not None:
            self.frames.settle(awaited.frame, awaited.call, settled)
        self._worker.put(Measurement(settled, awaited.context, settled=True))
        return settled

    def _fetched(self, call: Call, context: SpanContext) -> Call:
        """A fetched response is no call of its own; the usage it brings belongs to the call that began it."""
        bare = replace(call, usage=None, cost=None)
        kept = bare
        if call.usage is not None:
            awaited = self._counted.awaited(call.response_id)
            if awaited is not None:
                settled = self._settle(awaited, call)
            else:
                settled = self._priced(replace(call, operation=names.CHAT))
            kept = replace(call, cost=settled.cost, settles=call.response_id)
        self._keep(kept)
        self._worker.put(Measurement(bare, context))
        return bare

    def _orphan(self, frame: Frame, donor: Call) -> None:
        """Count what a duplicate reported when the span around it was dropped without an end."""

        def count() -> None:
            self._count(donor, frame, None)

        self._worker.defer(count)

    def _priced(self, call: Call) -> Call:
        return replace(call, cost=self.guard.run("pricing a call", self._price, call))

    def _keep(self, call: Call) -> None:
        if self.journal is not None:
            self.journal.append("call", call_body(call))
        for observer in self._observers:
            self.guard.run("an observer", observer, call)

    def _describe(self, span: Span, verdict: Verdict) -> None:
        call = verdict.call
        found = response_attributes(call)
        if verdict.duplicate:
            found[names.CALL_DUPLICATE] = True
        elif call.cost is not None:
            found.update(cost_attributes(call.cost, self._compat))
        span.set_attributes(found)
        if names.ERROR_TYPE in found:
            span.set_status(StatusCode.ERROR)

    def _report(self, span: Span, call: Call, error: BaseException, extra: Mapping[str, AttributeValue] | None) -> None:
        if self._logger is not None:
            stated = None if extra is None else extra.get(names.EXCEPTION_MESSAGE)
            message = safe_message(error) if self._content_on and stated is None else stated
            emit_exception(self._logger(), span, call, error, message)


def filled(call: Call, donor: Call) -> Call:
    """A call with what another report of it knows and it does not."""
    return replace(
        call,
        usage=_fuller(call.usage, donor.usage),
        provider_cost_nano_usd=_either(call.provider_cost_nano_usd, donor.provider_cost_nano_usd),
        response_id=_either(call.response_id, donor.response_id),
        response_model=_either(call.response_model, donor.response_model),
        service_tier=_either(call.service_tier, donor.service_tier),
        price_context=call.price_context or donor.price_context,
        finish_reasons=call.finish_reasons or donor.finish_reasons,
    )


def _fuller(usage: Usage | None, donor: Usage | None) -> Usage | None:
    """Usage with the parts that only the donor reports, provided that both agree on the whole."""
    if usage is None or donor is None:
        return usage or donor
    for total in ("input_tokens", "output_tokens"):
        if getattr(usage, total) not in (None, getattr(donor, total)):
            return usage
    known = {**donor.reported(), **usage.reported()}
    return usage_from(known)


def _either(known: T | None, other: T | None) -> T | None:
    return other if known is None else known
