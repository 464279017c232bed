"""A frame per open span: who encloses whom, what the calls inside add up to, and which call counts.

Frames outlive neither their span nor the spans inside it. Sums are written live on the enclosing agent, workflow and
local root spans that still record, so that a crash or a late stream costs no more than it must.
"""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from functools import partial
from threading import get_ident
from typing import Any

from opentelemetry.sdk.trace import Span
from opentelemetry.trace import SpanContext

from spanwatch.core import names
from spanwatch.core.attributes import Totals, Value, rollup_attributes, tool_attributes
from spanwatch.core.call import Call, stated_cost
from spanwatch.core.dialects import Role, inherited, role_of, tool_of
from spanwatch.otel.held import attributes_of, place_of
from spanwatch.store import forks

_ROLLED_UP = (Role.AGENT, Role.WORKFLOW)  # tuples: a set hashes its members, which enumerations are slow at
_CALLS = (Role.INFERENCE, Role.EMBEDDINGS)
_APART = (*_ROLLED_UP, *_CALLS, Role.TOOL)  # the spans that calls inside belong to, and not to what is around
_OTHER, _TOOL = Role.OTHER, Role.TOOL
_INHERITED = ("agent", "user_id", "conversation_id")


class _Reference(weakref.ref[Span]):
    """A span, as long as somebody else holds it, and its id."""

    __slots__ = ("span_id",)
    span_id: int


class Frame:
    """One span while it or a span inside it is open.

    `call` is the counted call of this span, `donor` a duplicate inside it that knows more, `inside` the role of the
    calls that were counted inside it before its own role was known, `sole` the only one of them, `agent` the nearest
    agent that named itself when it started, `beside` the spans that report one call, this one included, where another
    does it that is neither around nor inside. `refused` says that such a call was refused inside it, `tells` that who
    ends the span also puts on it how many tools were called.
    """

    __slots__ = (
        *("_role", "_span", "agent", "beside", "call", "donor", "ended", "inside", "parent"),
        *("refused", "sole", "tells", "thread", "totals"),
    )

    def __init__(self, span: weakref.ref[Span], parent: Frame | None) -> None:
        self._span = span
        self._role: Role | None = None
        self.parent = parent
        self.agent: str | None = None if parent is None else parent.agent
        self.totals: Totals | None = None
        self.call: Call | None = None
        self.donor: Call | None = None
        self.inside: Role | None = None
        self.sole: Call | None = None
        self.beside: list[Frame] | None = None
        self.ended = self.refused = self.tells = False
        self.thread = get_ident()  # that it began on

    @property
    def span(self) -> Span | None:
        """The span, while somebody holds it."""
        return self._span()

    @property
    def reference(self) -> weakref.ref[Span]:
        """The span, not held."""
        return self._span

    @property
    def attributes(self) -> Mapping[str, Any]:
        """The span's attributes as they are now."""
        span = self._span()
        return {} if span is None else attributes_of(span)

    @property
    def role(self) -> Role | None:
        """The span's role; asked again until it is a definite one, for attributes may come late."""
        if self._role is None or self._role is _OTHER:
            span = self._span()
            if span is not None:
                self._role = role_of(self.attributes, span.name)
        return self._role

    @property
    def tool(self) -> str | None:
        """The tool that the span says it calls."""
        span = self._span()
        return None if span is None else tool_of(self.attributes, span.name)

    @property
    def begun_as(self) -> Role | None:
        """The role that it stated at its start, or has been known to have since."""
        return self._role

    def known(self, role: Role | None) -> None:
        """Note what its attributes say at its start, so that nobody has to read them again."""
        self._role = role

    @property
    def rolled_up(self) -> bool:
        """Whether sums belong on this span: an agent, a workflow, or the first span of the trace in this process."""
        return self.parent is None or self.role in _ROLLED_UP

    def enclosing(self) -> Iterator[Frame]:
        """The frames around this one, innermost first."""
        frame = self.parent
        while frame is not None:
            yield frame
            frame = frame.parent


class Frames:
    """The frames of one process, by span id.

    `orphaned` is called, from a finalizer, with the frame and donor of a span that was dropped without an end.
    """

    def __init__(self) -> None:
        self.orphaned: Callable[[Frame, Call], None] = lambda _frame, _donor: None
        self._frames: dict[int, Frame] = {}
        self._gone = self._dropped
        self._renew()
        forks.around(child=self._renew)

    def _renew(self) -> None:
        """At first, and in a forked child: another thread of the parent's may hold its lock for ever."""
        self._lock = threading.RLock()  # reentrant: a host finalizer may end a span inside a roll-up

    def open(self, span: Span, given: Mapping[str, Any]) -> Frame:
        """Register a span that has just started, with these attributes."""
        context, parent = place_of(span)
        span_id = 0 if context is None else context[1]
        found = None if parent is None or parent[2] else self._frames.get(parent[1])
        reference = _Reference(span, self._gone)
        reference.span_id = span_id
        frame = Frame(reference, found)
        self._frames[span_id] = frame
        operation = given.get(names.OPERATION_NAME)
        if operation is not None:
            frame.known(role_of(given))
            if operation == names.INVOKE_AGENT:
                name = given.get(names.AGENT_NAME)
                frame.agent = name if isinstance(name, str) else frame.agent
        return frame

    def of(self, span_id: int) -> Frame | None:
        """The frame of a span, or None when the span is not recorded, remote, or gone."""
        return self._frames.get(span_id)

    def outer(self, frame: Frame, role: Role) -> Frame | None:
        """The outermost span of the same call around a frame: inference in inference, with no agent or tool between."""
        found, around = None, frame.parent
        while around is not None:
            kind = around.role
            if kind is role:
                found = around
            elif kind in _APART:
                break
            around = around.parent
        return found

    def count(self, frame: Frame, call: Call, role: Role) -> None:
        """Add a counted call to the spans around it; those that turn out to be the same call find it counted."""
        frame.call = call
        frame.known(role)  # spans inside that end later ask for it, when this one may be gone
        if frame.parent is None:
            return
        _mark(frame, call, role)
        self._roll_up(frame.enclosing(), lambda totals: totals.add(call))

    def share(self, first: Frame, frame: Frame, call: Call, role: Role) -> None:
        """Add a call that was counted by `first`, and that `frame` reports beside it, to the spans around this alone.

        What is known of the call later goes to the spans around both.
        """
        with self._lock:
            counted = set(_around(first))
            frame.call, frame.beside = call, first.beside or [first]
            frame.beside.append(frame)
            first.beside = frame.beside
        frame.known(role)
        _mark(frame, call, role)
        self._roll_up([each for each in frame.enclosing() if each not in counted], lambda totals: totals.add(call))

    def refuse(self, frame: Frame) -> bool:
        """Note on the spans of the same call that it was refused; whether one inside has said so before."""
        for around in frame.enclosing():
            if around.role in _APART and around.role not in _CALLS:
                break
            around.refused = True
        return frame.refused

    def count_tool(self, frame: Frame) -> None:
        """Add a tool call that has ended to the spans around it; two spans for one call of a tool count once."""
        outer = self.outer(frame, _TOOL)
        if outer is None or outer.tool != frame.tool:
            self._roll_up(frame.enclosing(), Totals.add_tool, tool_attributes, live=False)

    def totals(self, context: SpanContext) -> Totals | None:
        """What has been counted inside a span so far; None when the span is not recorded, so that nobody knows."""
        frame = self._frames.get(context.span_id)
        return None if frame is None else frame.totals or Totals()

    def agent(self, context: SpanContext) -> str | None:
        """The nearest agent at or around a span that named itself when it started."""
        frame = self._frames.get(context.span_id)
        return None if frame is None else frame.agent

    def calling(self, context: SpanContext) -> int | None:
        """The span that a model call is counted by which is made under this one: the outermost one of the call itself.

        None when no span of a call is open there, or nobody records it.
        """
        found, around = None, self._frames.get(context.span_id)
        while around is not None and (around.role in _CALLS or around.role not in _APART):
            if around.role in _CALLS and around.span is not None:
                found = around.span.get_span_context().span_id
            around = around.parent
        return found

    def restate(self, key: str, nano_usd: int) -> tuple[Call, Call] | None:
        """Replace the cost of a counted call whose span is still held, by its span or response id: before and after.

        None when it is not known here any more.
        """
        for frame in list(self._frames.values()):
            before = frame.call
            if before is not None and key in {before.span_id, before.response_id}:
                after = replace(before, cost=stated_cost(nano_usd))
                for each in frame.beside or (frame,):
                    each.call = after
                self._roll_up(_around(frame), partial(Totals.restate, before=before, after=after))
                return before, after
        return None

    def add_cost(self, span_id: int, nano_usd: int) -> None:
        """Add an amount that belongs to no call to an open span and those around it."""
        frame = self._frames.get(span_id)
        if frame is not None:
            self._roll_up([frame, *frame.enclosing()], lambda totals: totals.add_cost(nano_usd))

    def settle(self, frame: Frame, before: Call, after: Call) -> None:
        """Add the usage and cost that came late for a counted call."""
        for each in frame.beside or (frame,):
            each.call = after
        found = list(_around(frame))
        for around in found:
            if around.sole is before:
                around.sole = after
        self._roll_up(found, lambda totals: totals.settle(before, after))

    def inherited(self, frame: Frame, call: Call) -> dict[str, Any]:
        """The agent, user and conversation that a call lacks, from the nearest enclosing spans that name them."""
        if frame.parent is None:
            return {}
        missing = {field for field in _INHERITED if getattr(call, field) is None}
        found: dict[str, Any] = {}
        for around in frame.enclosing():
            if not missing:
                break
            attributes = around.attributes
            if attributes:
                known = inherited(attributes, around.role)
                for field in missing & known.keys():
                    found[field] = known[field]
                missing -= found.keys()
        return found

    def _roll_up(
        self,
        spans: Iterable[Frame],
        change: Callable[[Totals], None],
        described: Callable[[Totals], dict[str, Value]] = rollup_attributes,
        *,
        live: bool = True,
    ) -> None:
        with self._lock:
            for around in spans:
                if around.rolled_up:
                    if around.totals is None:
                        around.totals = Totals()
                    change(around.totals)
                    span = around.span if live or not around.tells else None
                    if span is not None and span.is_recording():
                        span.set_attributes(described(around.totals))

    def _dropped(self, reference: weakref.ref[Span]) -> None:
        frame = self._frames.pop(reference.span_id, None)  # type: ignore[attr-defined]  # only made in open()
        if frame is not None and frame.donor is not None and not frame.ended:
            self.orphaned(frame, frame.donor)


def _mark(frame: Frame, call: Call, role: Role) -> None:
    """Note on the spans around whose role is not known yet that a call was counted inside."""
    for around in frame.enclosing():
        if around.role in _APART:
            break
        around.sole = call if around.inside is None else None
        around.inside = role


def _around(frame: Frame) -> Iterator[Frame]:
    """The frames around a call, each once: around every span that reports it."""
    if frame.beside is None:
        return frame.enclosing()
    return iter(dict.fromkeys(around for each in frame.beside for around in each.enclosing()))
