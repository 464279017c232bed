"""AgentMonitor: agent, logs, tools, costs, health and report behind one object, for people who want one.

It holds nothing beside what OTel and spanwatch hold, but for the requests that flat calls have opened and not closed.
"""

from __future__ import annotations

import os
import threading
import time
import uuid
from collections import OrderedDict
from collections.abc import Callable, Iterable
from dataclasses import replace
from decimal import Decimal

from opentelemetry.context import Context, get_current
from opentelemetry.trace import Span, StatusCode, format_span_id, format_trace_id, get_current_span

from spanwatch.core import names
from spanwatch.core.call import Call, stated_cost
from spanwatch.core.durations import Duration
from spanwatch.core.health import Health
from spanwatch.core.money import to_nano
from spanwatch.otel.asking import report
from spanwatch.otel.context import attach, carried, detach
from spanwatch.otel.guard import Guard, say
from spanwatch.otel.live.asking import health
from spanwatch.otel.logs import AgentLogger
from spanwatch.otel.moments import When
from spanwatch.otel.openai.failures import error_type
from spanwatch.otel.spans.force import in_force
from spanwatch.otel.spans.kinds import TOOL
from spanwatch.otel.spans.run import Run, begun
from spanwatch.otel.spans.scope import Scope
from spanwatch.otel.spans.scopes import Id, agent_request, tool
from spanwatch.reports.report import Report
from spanwatch.store.forks import PROCESS
from spanwatch.store.summary import Axis

MAX_OPEN = 1_024
EXPIRE_S = 3_600.0
_UNTIMED = replace(TOOL, duration=None)


class AgentMonitor:
    """One agent, watched. Its methods may be called from any thread, and but for wrong arguments never raise.

    Model calls inside are seen by themselves. `request()` is the way to say what they are for; the flat `monitor_...`
    calls are for code that cannot have a block: they pair by the id that `monitor_request()` returns, and never become
    the current span.

    Args:
        agent_id: The agent, as `gen_ai.agent.name` on everything.
        file: A file that gets each record of the flat calls as one line of JSON.
        console: Whether stderr gets each of them as one readable line.
        max_open: Requests that may be open by flat calls; the oldest beyond are ended as cancelled.
        expire_s: Seconds after which an open request is ended as cancelled.

    Raises:
        TypeError, ValueError: an argument is wrong.
    """

    _open: OrderedDict[str, tuple[float, Run]]

    def __init__(
        self,
        agent_id: str,
        *,
        file: str | os.PathLike[str] | None = None,
        console: bool = False,
        max_open: int = MAX_OPEN,
        expire_s: float = EXPIRE_S,
    ) -> None:
        if max_open < 1 or expire_s <= 0:
            raise ValueError(f"max_open is {max_open} and expire_s {expire_s}: both have to be above 0")
        self.agent_id, self._log = agent_id, AgentLogger(agent_id, file=file, console=console)
        self._max_open, self._expire_s, self._guard = max_open, expire_s, Guard()
        self._pid, self._lock, self._open = PROCESS.pid, threading.Lock(), OrderedDict()

    def request(
        self,
        *,
        user_id: Id | None = None,
        conversation_id: Id | None = None,
        tags: Iterable[str] = (),
        app_version: str | None = None,
    ) -> Scope:
        """A request to the agent, as context manager or decorator: the span `invoke_agent {agent_id}`.

        Raises:
            TypeError: the tags are none.
        """
        return agent_request(
            self.agent_id, user_id=user_id, conversation_id=conversation_id, tags=tags, app_version=app_version
        )

    def monitor_request(self, text: object, *, user_id: Id | None = None, conversation_id: Id | None = None) -> str:
        """The agent was asked `text`: opens a request and returns its id, for the calls that follow."""
        key = uuid.uuid4().hex
        run = begun(agent_request(self.agent_id, user_id=user_id, conversation_id=conversation_id).plan)
        if run is not None:
            for old in self._take_in(key, run):
                old.left()
            self._told(run, lambda: self._log.request(text))
        return key

    def monitor_response(
        self, request_id: str, text: object = None, *, error: BaseException | None = None, ok: bool | None = None
    ) -> bool:
        """The agent answered `text`, or failed with `error`, or as `ok` says: closes the request.

        False when there is no such open request: it was closed before, or has expired.
        """
        run = self._take_out(request_id)
        if run is None:
            say("there is no open request %r: it was answered before, or expired", str(request_id)[:64])
            return False
        self._told(run, lambda: self._log.response(text, error=error, ok=ok))
        if error is not None:
            run.failed(error)
        else:
            if ok is not None:
                self._guard.run("an outcome", run.span.set_status, StatusCode.OK if ok else StatusCode.ERROR)
            run.succeeded(text)
        return True

    def monitor_tool_call(
        self,
        name: str,
        arguments: object = None,
        result: object = None,
        *,
        request_id: str | None = None,
        duration_s: float | None = None,
        error: BaseException | None = None,
        ok: bool | None = None,
    ) -> None:
        """A tool was called and has just ended, in a request or else in the current span.

        Without `duration_s` how long it took is unknown: its span has no length, and the duration metric has no value.

        Raises:
            TypeError, ValueError: the name is no text, or empty; the duration is below 0.
        """
        plan = tool(name, arguments=arguments).plan
        if duration_s is not None and not duration_s >= 0:
            raise ValueError(f"duration_s is {duration_s!r}: give seconds from 0")
        now = in_force().clock()
        if duration_s is None:
            plan = replace(plan, kind=_UNTIMED)
        around = self._run_of(request_id)
        run = begun(plan, None, self._context(around), at=now - int((duration_s or 0.0) * 1e9))
        if run is None:
            return
        self._told(run, lambda: self._log.tool_call(name, arguments, result, duration_s=duration_s, error=error, ok=ok))
        if error is not None:
            run.failed(error)
        else:
            if ok is False:
                self._guard.run("an outcome", run.span.set_status, StatusCode.ERROR)
            run.succeeded(result)

    def monitor_cost(
        self, usd: Decimal | float | str, *, call: Span | str | None = None, request_id: str | None = None
    ) -> None:
        """What something cost, in US dollars, exact in `Decimal` or text.

        With `call`, a model call's span or the id of its span or response, it replaces what was computed for that
        call, in the store and in sums that are still open; given twice it counts once. Metrics only go up: a cost below
        the computed one takes nothing back there. Without, it is a cost of its own, marked `source=user`, of a request
        or else of the current span, and no model call.

        Raises:
            TypeError, ValueError: the amount is no finite number from 0.
        """
        nano = _amount(usd)
        telemetry = in_force()
        if call is not None:
            key = format_span_id(call.get_span_context().span_id) if isinstance(call, Span) else str(call)
            self._guard.run("stating a cost", telemetry.restate_cost, key, nano, telemetry.new_id(), telemetry.clock())
            return
        context = self._context(self._run_of(request_id)) or get_current()
        self._guard.run("reporting a cost", self._own_cost, nano, context)

    def monitor_error(self, error: BaseException | str, *, request_id: str | None = None) -> None:
        """Something went wrong. The request it names counts as failed, unless its answer says `ok=True`."""
        run = self._run_of(request_id)
        self._told(run, lambda: self._log.error(error))
        if run is not None:
            kind = error_type(error) if isinstance(error, BaseException) else names.ERROR_OTHER
            self._guard.run("an error", run.span.set_attribute, names.ERROR_TYPE, kind)
            self._guard.run("an error", run.span.set_status, StatusCode.ERROR)

    def get_health_status(self, window: Duration = "5m") -> Health:
        """`spanwatch.health()`: how the processes that share this home are, and why."""
        return health(window)

    def generate_report(
        self, *, since: When | None = None, until: When | None = None, by: Axis | None = None
    ) -> Report:
        """`spanwatch.report()`."""
        return report(since=since, until=until, by=by)

    def close(self) -> None:
        """End requests that are still open, as cancelled, and close the file."""
        with self._mine():
            left, self._open = [run for _, run in self._open.values()], OrderedDict()
        for run in left:
            run.left()
        self._log.close()

    def _mine(self) -> threading.Lock:
        """The lock; in a forked child a new one, for what is open is the parent's, and its lock may be held for ever.

        Asked for and not renewed at the fork: a handler there outlives its monitor, of which there may be many.
        """
        if self._pid != PROCESS.pid:
            self._lock, self._open, self._pid = threading.Lock(), OrderedDict(), PROCESS.pid
        return self._lock

    def _take_in(self, key: str, run: Run) -> list[Run]:
        """Keep an open request; those that have expired or are too many."""
        now = time.monotonic()
        with self._mine():
            self._open[key] = (now, run)
            old = []
            while self._open and (
                len(self._open) > self._max_open or now - next(iter(self._open.values()))[0] > self._expire_s
            ):
                old.append(self._open.popitem(last=False)[1][1])
            return old

    def _take_out(self, key: str) -> Run | None:
        with self._mine():
            found = self._open.pop(key, None) if isinstance(key, str) else None
        return None if found is None else found[1]

    def _run_of(self, key: str | None) -> Run | None:
        if key is None:
            return None
        with self._mine():
            found = self._open.get(key)
        return None if found is None else found[1]

    def _context(self, run: Run | None) -> Context | None:
        return None if run is None else run.context

    def _told(self, run: Run | None, log: Callable[[], None]) -> None:
        """Log inside a run, which is current for no longer than that."""
        if run is None:
            log()
            return
        token = attach(run.context)
        try:
            log()
        finally:
            detach(token)

    def _own_cost(self, nano: int, context: Context) -> None:
        telemetry, who = in_force(), carried(context)
        around = get_current_span(context).get_span_context()
        now = telemetry.clock()
        call = Call(
            telemetry.new_id(),
            names.REPORTED_COST,
            now,
            now,
            cost=stated_cost(nano),
            user_id=who.user_id,
            conversation_id=who.conversation_id,
            agent=telemetry.agent(around) or who.agent or self.agent_id,
            app_version=who.app_version,
            trace_id=format_trace_id(around.trace_id) if around.is_valid else None,
            parent_span_id=format_span_id(around.span_id) if around.is_valid else None,
            sampled=around.trace_flags.sampled if around.is_valid else True,
        )
        telemetry.report_cost(call, around)


def _amount(usd: Decimal | float | str) -> int:
    if isinstance(usd, bool) or not isinstance(usd, Decimal | int | float | str):
        raise TypeError(f"a cost is an amount in US dollars, such as Decimal('0.0042'), not {type(usd).__name__}")
    nano = to_nano(str(usd) if isinstance(usd, float) else usd)
    if nano < 0:
        raise ValueError(f"a cost of {usd} US dollars is below 0")
    return nano
