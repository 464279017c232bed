"""What happens to a finished call: counted once, priced, written on its span, rolled up, journaled, measured."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple, TypeVar

from opentelemetry._logs import Logger
from opentelemetry.trace import NonRecordingSpan, Span, SpanContext, StatusCode
from opentelemetry.util.types import AttributeValue

from spanwatch.core import names
from spanwatch.core.attributes import COMPATIBLE_COST, Value, cost_attributes, response_attributes, usage_attributes
from spanwatch.core.call import Call, CallStatus, Cost, Usage, changed, priced, stated_cost
from spanwatch.core.dialects import Role
from spanwatch.core.money import usd_float
from spanwatch.core.records import call_body, usage_from
from spanwatch.otel.budgets.enforcement import Enforcement
from spanwatch.otel.counted import Awaited, Counted
from spanwatch.otel.errors import emit_exception, safe_message
from spanwatch.otel.frames import Frame, Frames
from spanwatch.otel.guard import Guard
from spanwatch.otel.journal import Journal
from spanwatch.otel.twins import Told, Twins
from spanwatch.otel.worker import Added, Measurement, Worker

T = TypeVar("T")
_ERROR, _REFUSED = CallStatus.ERROR, CallStatus.REFUSED  # an enumeration is slow to ask for its members
_EMBEDDINGS, _INFERENCE = Role.EMBEDDINGS, Role.INFERENCE


class Verdict(NamedTuple):
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
        details: Called with every counted call and its span, which then has all its attributes and still records.
        budgets: What charges counted calls, or None.
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
        details: Callable[[Call, Span], None] | None = None,
        budgets: Enforcement | None = None,
    ) -> None:
        self._price, self._worker, self.frames, self.guard, self.journal = price, worker, frames, guard, journal
        self._logger, self._compat, self._content_on = logger, tuple(compat), content_on
        self._observers, self._details, self._budgets = tuple(observers), details, budgets
        self._counted, self._twins = Counted(), Twins(time.time_ns)
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
            self.guard.run("describing a call", self._describe, span, verdict, extra)
        if not verdict.duplicate:
            self._tell(span, verdict.call, error, extra)
        elif self._budgets is not None:
            self.guard.run("freeing a reservation", self._budgets.uncounted, call)
        self.guard.run("ending a span", span.end, verdict.call.ended_ns)
        return verdict.call

    def observe(self, call: Call, context: SpanContext, tags: Sequence[str] = ()) -> dict[str, Value]:
        """Count the call of a foreign span that has just ended; the attributes that its rebuilt copy gains."""
        known, duplicate = self._decide(context, call, tags)
        found: dict[str, Value] = {names.CALL_ID: known.call_id}
        if duplicate:
            found[names.CALL_DUPLICATE] = True
            return found
        if self._details is not None or known.status is _ERROR:
            self._tell(NonRecordingSpan(context), known)
        usage, cost = known.usage, known.cost
        if usage is not None and usage is not call.usage and usage != call.usage:
            found.update(usage_attributes(usage))
        if cost is not None:
            found.update(cost_attributes(cost, self._compat))
        return found

    def unrecognised(self, scope: str) -> None:
        """Count a GenAI span of another instrumentation that no dialect reads."""
        self._worker.put(Added(names.UNRECOGNISED, 1, {names.FOREIGN_SCOPE: scope}))

    def report_cost(self, call: Call, parent: SpanContext) -> None:
        """Count an amount of its own, `call.cost`, in the sums around and in the metrics; it is no model call."""
        if call.cost is not None and call.cost.nano_usd is not None:
            self.frames.add_cost(parent.span_id, call.cost.nano_usd)
            self._keep(call)
            self._worker.put(Measurement(call, parent if parent.is_valid else None, settled=True))

    def restate_cost(self, key: str, nano_usd: int, statement: str, at_ns: int) -> None:
        """Replace the cost of the call with this span or response id: in the store, and in sums that are still open.

        The metric only goes up: what a stated cost is below the computed one stays in it.
        """
        if self.journal is not None:
            self.journal.append("cost", {"id": statement, "at": at_ns, "call": key, "nano_usd": nano_usd})
        changed = self.frames.restate(key, nano_usd)
        if changed is None:
            return
        before, after = changed
        known = 0 if before.cost is None else before.cost.nano_usd or 0
        if nano_usd > known:
            more = replace(after, usage=None, cost=stated_cost(nano_usd - known))
            self._worker.put(Measurement(more, None, settled=True))
        for observer in self._observers:
            self.guard.run("an observer", observer, after)

    def _decide(self, context: SpanContext, call: Call, tags: Sequence[str] = ()) -> Verdict:
        frame = self.frames.of(context[1])
        if frame is None or call.scope == names.SCOPE:  # may be finished twice, by two threads at once
            if not self._counted.first(call.call_id):
                return Verdict(call)
        elif frame.ended:  # the SDK ends a span once
            return Verdict(call)
        further: dict[str, Any] = {}
        if frame is not None:
            frame.ended = True
            further = self.frames.inherited(frame, call)
            if call.scope == names.SCOPE and frame.agent is not None:  # by the spans: nearer than by the context
                further["agent"] = frame.agent
        if call.status is _REFUSED:
            call = replace(call, **further)
            repeats = frame is not None and self.frames.refuse(frame)
            if not repeats:
                self._keep(call)
            return Verdict(call, duplicate=repeats)
        if call.operation == names.FETCH_RESPONSE:
            return Verdict(self._fetched(replace(call, **further), context))
        return self._count(call, frame, context, further, tags)

    def _count(
        self,
        call: Call,
        frame: Frame | None,
        context: SpanContext | None,
        further: dict[str, Any],
        tags: Sequence[str] = (),
    ) -> Verdict:
        role = _EMBEDDINGS if call.operation == names.EMBEDDINGS else _INFERENCE
        if frame is not None:
            outer = self.frames.outer(frame, role)
            if outer is not None:
                self._feed(outer, call)
                return Verdict(call, duplicate=True)
            if frame.inside is role:
                frame.known(role)
                self._late(frame, call)
                return Verdict(call, duplicate=True)
            if frame.donor is not None:
                call = filled(call, frame.donor)
        if self._repeats(call):
            fetched = call.request_model is None
            self._beside(call, None if fetched else self._twins.answered(call.response_id), frame, role)
            return Verdict(call, duplicate=True)
        told = self._twins.of(call, frame)
        if told is not None:
            self._beside(call, told, frame, role)
            return Verdict(call, duplicate=True)
        call = self._priced(changed(call, **further) if further else call)
        self._twins.counted(call, frame)
        if frame is not None:
            self.frames.count(frame, call, role)
        if self._budgets is not None:
            estimate = self.guard.run("charging a call", self._budgets.ended, call, tags=tags)
            call = call if estimate is None else replace(call, charged_nano_usd=estimate)
        self._keep(call)
        self._worker.put(Measurement(call, context))
        if call.usage is None:
            self._counted.await_usage(call, frame, context)
        return Verdict(call)

    def _repeats(self, call: Call) -> bool:
        """Whether another report of the same response was counted; OpenLLMetry reports fetched ones without a model."""
        if call.response_id is None:
            return False
        return self._counted.repeated(call.response_id, call.scope, fetched=call.request_model is None)

    def _beside(self, call: Call, told: Told | None, frame: Frame | None, role: Role) -> None:
        """A call that was counted by a span beside this one: the spans around this one have its sums too."""
        known, first = (None, None) if told is None else told
        if first is not None:
            known = first.call or known  # with the usage that came since
        if known is not None and frame is not None:
            if first is None:
                self.frames.count(frame, known, role)
            else:
                self.frames.share(first, frame, known, role)
        if call.usage is None or (known is not None and known.usage is not None):
            return
        answer = call.response_id if known is None else known.response_id
        if answer is None and known is not None and first is not None:
            self._bring(call, Awaited(known, first, None))
        else:
            self._bring(call, self._counted.awaited(answer))

    def _feed(self, outer: Frame, call: Call) -> None:
        """Give a duplicate's knowledge to the outermost span of its call, which may have ended before."""
        if not outer.ended:
            if outer.donor is None or call.usage is not None:
                outer.donor = call
        elif outer.call is not None and outer.call.usage is None:
            self._counted.awaited(outer.call.response_id)
            self._bring(call, Awaited(outer.call, outer, None))

    def _late(self, outer: Frame, call: Call) -> None:
        """Give what a span knows, whose role was known at its end only, to the one call that was counted inside it."""
        told = outer.sole
        if told is None or told.usage is not None:
            return
        awaited = Awaited(told, outer, None) if told.response_id is None else self._counted.awaited(told.response_id)
        self._bring(call, awaited)

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
        if self._budgets is not None:
            self.guard.run("charging a call", self._budgets.ended, settled, late=True)
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
            self._count(donor, frame, None, {})

        self._worker.defer(count)

    def _priced(self, call: Call) -> Call:
        try:
            return priced(call, self._price(call))
        except Exception as error:  # noqa: BLE001 (the guard's work without its call: this is on every call's path)
            self.guard.failed("pricing a call", error)
            return priced(call, None)

    def _keep(self, call: Call) -> None:
        if self.journal is not None:
            self.journal.append("call", call_body(call))
        for observer in self._observers:
            self.guard.run("an observer", observer, call)

    def _describe(self, span: Span, verdict: Verdict, extra: Mapping[str, AttributeValue] | None) -> None:
        call = verdict.call
        found = response_attributes(call)
        if verdict.duplicate:
            found[names.CALL_DUPLICATE] = True
        elif call.cost is not None:
            found.update(cost_attributes(call.cost, self._compat))
        if call.charged_nano_usd is not None:
            found[names.BUDGET_ESTIMATED_USD] = usd_float(call.charged_nano_usd)
        self.guard.run("an attribute of a call", _set, span, found, extra)
        if names.ERROR_TYPE in found:
            span.set_status(StatusCode.ERROR)

    def _tell(
        self,
        span: Span,
        call: Call,
        error: BaseException | None = None,
        extra: Mapping[str, AttributeValue] | None = None,
    ) -> None:
        """The log events of a call; a cancelled one is no failure."""
        if self._details is not None:
            self.guard.run("reporting a call", self._details, call, span)
        if call.status is _ERROR:
            self.guard.run("reporting an exception", self._report, span, call, error, extra)

    def _report(
        self, span: Span, call: Call, error: BaseException | None, extra: Mapping[str, AttributeValue] | None
    ) -> None:
        if self._logger is not None:
            stated = None if extra is None else extra.get(names.EXCEPTION_MESSAGE)
            message = safe_message(error) if self._content_on and stated is None and error is not None else stated
            emit_exception(self._logger(), span, call, error, message)


def _set(span: Span, found: dict[str, Value], extra: Mapping[str, AttributeValue] | None) -> None:
    """All attributes at once, or at least ours when a value of the call site cannot be set."""
    if extra:
        try:
            span.set_attributes({**{n: v for n, v in extra.items() if n != names.EXCEPTION_MESSAGE}, **found})
        except Exception:
            span.set_attributes(found)
            raise
    else:
        span.set_attributes(found)


def filled(call: Call, donor: Call) -> Call:
    """A call with what another report of it knows and it does not: also what stands before its model's name."""
    if call.request_model and (donor.request_model or "").endswith(f".{call.request_model}"):
        call = replace(call, request_model=donor.request_model, price_context=donor.price_context)
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
