"""Scope: what `agent()`, `tool()` and the others return; a decorator and a context manager in one."""

from __future__ import annotations

import threading
from contextvars import Token
from dataclasses import dataclass
from types import TracebackType
from typing import TypeVar

from opentelemetry.context import Context, get_current
from opentelemetry.trace import INVALID_SPAN, Span, get_current_span

from spanwatch.otel.context import attach, detach
from spanwatch.otel.spans.functions import scoped
from spanwatch.otel.spans.kinds import Plan
from spanwatch.otel.spans.run import Run, begun

F = TypeVar("F")


@dataclass(slots=True, eq=False)
class _Entered:
    """One entry that has not been left, equal to itself alone; `run` is None where none could begin."""

    run: Run | None
    token: Token[Context] | None
    thread: int


class Scope:
    """A piece of work that gets a span each time it is done.

    `with scope as span:` and `async with scope as span:` give the OTel span; `@scope` puts one around each call of a
    function, coroutine function, generator function or method. One scope may be entered many times, at once too.
    """

    __slots__ = ("_entered", "_plan")

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._entered: list[_Entered] = []  # no lock, which a forked child could inherit held: each step is atomic

    @property
    def plan(self) -> Plan:
        """What its runs are made of."""
        return self._plan

    def __call__(self, function: F, /) -> F:
        """Decorate a function or method.

        Raises:
            TypeError: it is a class, or nothing that can be called.
        """
        decorated: F = scoped(self._plan, function)
        return decorated

    def __enter__(self) -> Span:
        run = begun(self._plan)
        if run is not None:
            run.admit()
        return self._enter(run)

    def _enter(self, run: Run | None) -> Span:
        token = None if run is None else attach(run.context)
        self._entered.append(_Entered(run, token, threading.get_ident()))
        return INVALID_SPAN if run is None else run.span

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        run, token = self._left()
        if run is None or token is None:
            return
        if _is_current(run):
            detach(token)
        if error is None:
            run.succeeded()
        else:
            run.failed(error)

    async def __aenter__(self) -> Span:
        run = begun(self._plan)
        if run is not None:
            await run.aadmit()
        return self._enter(run)

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.__exit__(kind, error, traceback)

    def _left(self) -> tuple[Run | None, Token[Context] | None]:
        """What is left now: of several entries the one whose context is current, else the last of this thread."""
        here, thread = get_current(), threading.get_ident()
        while entered := list(self._entered):
            found = max(reversed(entered), key=lambda each: (_is_here(each, here), each.thread == thread))
            try:
                self._entered.remove(found)
            except ValueError:  # another thread has just left it
                continue
            return found.run, found.token
        return None, None


def _is_here(entered: _Entered, here: Context) -> bool:
    return entered.run is not None and entered.run.context is here


def _is_current(run: Run) -> bool:
    """Whether the context may be taken off: not where a generator is left inside a span of its consumer."""
    span = get_current_span()
    return get_current() is run.context or span is run.span or not span.is_recording()
