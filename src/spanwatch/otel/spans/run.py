"""One run of a scope: from the start of its span to its end, which comes exactly once, however the run ends."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import CancelledError
from functools import partial
from typing import Any

from opentelemetry.context import Context, get_current
from opentelemetry.trace import Span, StatusCode, get_current_span, set_span_in_context
from opentelemetry.util.types import AttributeValue

from spanwatch.core import names
from spanwatch.core.attributes import Totals, tool_attributes
from spanwatch.core.errors import BudgetExceeded
from spanwatch.otel.budgets.elsewhere import elsewhere, in_event_loop
from spanwatch.otel.budgets.enforcement import Enforcement
from spanwatch.otel.budgets.holds import attributes_of
from spanwatch.otel.context import NOTHING, Enclosing, carried, carrying, inside, outside, trusted
from spanwatch.otel.errors import safe_message
from spanwatch.otel.guard import Guard
from spanwatch.otel.openai.failures import error_type
from spanwatch.otel.spans.failing import emit_failure
from spanwatch.otel.spans.force import in_force
from spanwatch.otel.spans.kinds import AGENT, REQUEST, RETRIEVAL, WORKFLOW, Plan
from spanwatch.otel.spans.measuring import Ended
from spanwatch.otel.spans.values import Attributes, called_with, gave
from spanwatch.otel.telemetry import Content, Telemetry
from spanwatch.otel.worker import Observed
from spanwatch.store.forks import PROCESS

OK, ERROR, CANCELLED, REFUSED = "ok", "error", "cancelled", "refused"

GUARD = Guard()
_FAILED = StatusCode.ERROR
Reading = Callable[[Content], Attributes]


class Run:
    """A started span with what it carries; `context` is to be current while the run's own code is at work.

    Whoever ends it first has ended it. What may be the garbage collector only defers: it can come anywhere, even inside
    a lock of the SDK or of ours.
    """

    __slots__ = (
        "_agent",
        "_ended",
        "_pid",
        "_plan",
        "_request",
        "_started_ns",
        "_telemetry",
        "_version",
        "context",
        "span",
    )

    def __init__(
        self,
        plan: Plan,
        telemetry: Telemetry,
        span: Span,
        context: Context,
        *,
        agent: str | None,
        version: str | None,
        request: Enclosing | None,
        at: int,
    ) -> None:
        self._plan, self._telemetry, self.span, self._agent, self._version = plan, telemetry, span, agent, version
        self.context = set_span_in_context(span, context)
        self._request, self._started_ns, self._pid = request, at, PROCESS.pid
        self._ended = False

    def succeeded(self, result: object = None, items: int | None = None) -> None:
        """The code came to its end, with this result."""
        found = None
        if result is not None or items is not None:
            try:
                found = gave(self._plan.kind, self._telemetry.content, result, items)
            except Exception as failure:  # noqa: BLE001 (the guard's work without its call: on every span's path)
                GUARD.failed("describing a result", failure)
        self._end(OK, extra=found)

    def failed(self, error: BaseException) -> None:
        """An exception left the code; it goes on to the application."""
        if isinstance(error, GeneratorExit):
            self.left()
        elif not isinstance(error, Exception) or isinstance(error, CancelledError):
            self._end(CANCELLED)
        elif isinstance(error, BudgetExceeded):
            self._end(REFUSED, error)
        else:
            self._end(ERROR, error)

    def admit(self) -> None:
        """Refuse to begin where nothing is left to spend on.

        Raises:
            BudgetExceeded: a budget has nothing left; the run has ended as refused.
        """
        budgets = self._budgets()
        if budgets is not None:
            known = self._spends(budgets)
            ask = budgets.spent if budgets.quick or not in_event_loop() else budgets.spent_as_known
            self._refuse(GUARD.run("asking budgets", ask, known))

    async def aadmit(self) -> None:
        """The same; the event loop does not wait for a ledger.

        Raises:
            BudgetExceeded: a budget has nothing left; the run has ended as refused.
        """
        budgets = self._budgets()
        if budgets is None or budgets.quick:
            self.admit()
            return
        known = self._spends(budgets)
        try:
            refusal = await elsewhere(lambda: GUARD.run("asking budgets", budgets.spent, known))
        except BaseException as error:
            self.failed(error)
            raise
        self._refuse(refusal)

    def _budgets(self) -> Enforcement | None:
        return self._telemetry.budgets if self._plan.kind is not RETRIEVAL else None

    def _spends(self, budgets: Enforcement) -> dict[str, Any]:
        who = carried(self.context)
        return attributes_of(
            who.tags,
            user_id=who.user_id,
            conversation_id=who.conversation_id,
            agent=self._plan.name if self._plan.kind is AGENT else self._agent,
            service=budgets.service,
        )

    def _refuse(self, error: BudgetExceeded | None) -> None:
        if error is not None:
            self.failed(error)
            raise error

    def left(self, items: int | None = None) -> None:
        """Nobody wants the rest of it; may be called by the garbage collector."""
        extra: Attributes = {} if items is None else {names.RESULT_ITEMS: items}
        ended_ns = self._telemetry.clock()
        self._telemetry.defer(partial(self._end, CANCELLED, extra=extra, ended_ns=ended_ns))

    def _end(
        self,
        outcome: str,
        error: BaseException | None = None,
        *,
        extra: Attributes | None = None,
        ended_ns: int | None = None,
    ) -> None:
        if self._ended or PROCESS.pid != self._pid:
            return
        self._ended = True
        if self._request is not None:
            self._request.over = True
        ended_ns = max(self._telemetry.clock() if ended_ns is None else ended_ns, self._started_ns)
        kind = None if error is None else GUARD.run("naming an error", error_type, error) or names.ERROR_OTHER
        if kind is None and outcome == OK:
            outcome, kind = self._stated()
        totals = self._totals()
        try:
            self._describe(outcome, kind, error, extra, totals)
        except Exception as failure:  # noqa: BLE001 (the guard's work without its call: this is on every span's path)
            GUARD.failed("describing a span", failure)
        if error is not None:
            GUARD.run("reporting an exception", self._report, kind or names.ERROR_OTHER, error, ended_ns)
        observed = None
        try:
            observed = self._observed(outcome, kind, ended_ns, totals)
        except Exception as failure:  # noqa: BLE001 (see above)
            GUARD.failed("measuring a span", failure)
        try:
            self.span.end(ended_ns)
        except Exception as failure:  # noqa: BLE001 (see above)
            GUARD.failed("ending a span", failure)
        try:
            if observed is not None:
                self._telemetry.measure(observed)
        except Exception as failure:  # noqa: BLE001 (see above)
            GUARD.failed("measuring a span", failure)

    def _stated(self) -> tuple[str, str | None]:
        """How it ended by what the application put on the span: an error status is a failure without an exception."""
        status = getattr(self.span, "status", None)
        if status is None or status.status_code is not _FAILED:
            return OK, None
        stated = (getattr(self.span, "attributes", None) or {}).get(names.ERROR_TYPE)
        return ERROR, stated if isinstance(stated, str) else names.ERROR_OTHER

    def _totals(self) -> Totals | None:
        """What the calls inside an agent or workflow have added up to; None of others, and where nobody counted."""
        if self._plan.kind is not AGENT and self._plan.kind is not WORKFLOW:
            return None
        return GUARD.run("adding up calls", self._telemetry.totals, self.span.get_span_context())

    def _describe(
        self,
        outcome: str,
        kind: str | None,
        error: BaseException | None,
        extra: Attributes | None,
        totals: Totals | None,
    ) -> None:
        span = self.span
        if not span.is_recording():
            return
        found: dict[str, AttributeValue] = {names.OUTCOME: outcome}
        if kind is not None:
            found[names.ERROR_TYPE] = kind
        if extra:
            found.update(extra)
        if totals is not None and totals.tool_calls:
            found.update(tool_attributes(totals))
        if isinstance(error, BudgetExceeded):
            found[names.BUDGET_NAME] = error.budget
            if error.scope:
                found[names.BUDGET_SCOPE] = error.scope
        span.set_attributes(found)
        if error is not None:
            span.set_status(StatusCode.ERROR, safe_message(error) if self._telemetry.content.on else None)

    def _report(self, kind: str, error: BaseException, ended_ns: int) -> None:
        emit_failure(
            self._telemetry.logger(),
            self.context,
            {names.EXCEPTION_TYPE: kind, names.OPERATION_NAME: self._plan.kind.operation},
            safe_message(error) if self._telemetry.content.on else None,
            ended_ns,
        )

    def _observed(self, outcome: str, kind: str | None, ended_ns: int, totals: Totals | None) -> Observed | None:
        plan, context = self._plan, self.span.get_span_context()
        counts = None
        if totals is not None and plan.kind is AGENT:
            counts = totals.inference_calls, totals.tool_calls
        seconds, is_request = (ended_ns - self._started_ns) / 1e9, self._request is not None
        ended = Ended(plan, seconds, outcome, kind, self._agent, self._version, is_request, counts)
        return Observed(ended.values, context) if ended.measured else None


def begun(
    plan: Plan, reading: Reading | None = None, context: Context | None = None, *, at: int | None = None
) -> Run | None:
    """A run of a plan in a context, by default the current one; None when even that fails, and the code runs bare.

    It began at `at`, UNIX nanoseconds, or begins now.
    """
    try:
        return _begun(plan, reading, context, at)
    except Exception as error:  # noqa: BLE001 (the guard's work without its call: this is on every span's path)
        GUARD.failed("starting a span", error)
        return None


def _begun(plan: Plan, reading: Reading | None, context: Context | None, at: int | None) -> Run:
    telemetry = in_force()
    if context is None:
        context = get_current()
    if plan.kind is REQUEST:
        context = outside(context)
    request = _requested(plan, context)
    more = trusted(context, plan.carries) if plan.trusts_baggage else plan.carries
    if request is not None or more is not NOTHING:
        context = carrying(context, more, request)
    who = carried(context)
    attributes: Attributes = {**who.attributes, **plan.attributes}
    agent = who.agent
    if plan.kind is not AGENT:
        agent = telemetry.agent(get_current_span(context).get_span_context()) or agent
        if agent is not None:
            attributes[names.AGENT_NAME] = agent
    if request is not None:
        attributes[names.REQUEST_NAME] = plan.name
    if plan.replaced:
        attributes[names.REPLACED] = plan.replaced
    if reading is None and plan.arguments is not None:
        reading = partial(called_with, plan.kind, arguments=plan.arguments)
    if reading is not None:
        _add(attributes, reading, telemetry.content)
    started_ns = telemetry.clock() if at is None else at
    span = telemetry.tracer().start_span(
        plan.span_name, context=context, kind=plan.kind.span_kind, attributes=attributes, start_time=started_ns
    )
    return Run(plan, telemetry, span, context, agent=agent, version=who.app_version, request=request, at=started_ns)


def _requested(plan: Plan, context: Context) -> Enclosing | None:
    """The request that begins with this run, if there is none around that is not over."""
    if not plan.kind.requests:
        return None
    around = inside(context)
    return Enclosing(context) if around is None or around.over else None


def _add(attributes: dict[str, AttributeValue], reading: Reading, content: Content) -> None:
    """Add what was read; where that fails the span has all the rest."""
    try:
        further = reading(content)
    except Exception as error:  # noqa: BLE001 (see above)
        GUARD.failed("reading arguments", error)
        return
    replaced = attributes.get(names.REPLACED, 0)
    attributes.update(further)
    if replaced and names.REPLACED in further:
        attributes[names.REPLACED] = replaced + further[names.REPLACED]  # type: ignore[operator]  # both are counts
