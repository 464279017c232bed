"""A frame per open span: who encloses whom, what the calls inside add up to, and which call counts.

Frames outlive neither their span nor the spans inside it. Sums are written live on the enclosing agent, workflow and
local root spans that still record, so that a crash or a late stream costs no more than it must.
"""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from opentelemetry.sdk.trace import Span

from spanwatch.core.attributes import Totals, rollup_attributes
from spanwatch.core.call import Call
from spanwatch.core.dialects import Role, inherited, role_of

_ROLLED_UP = frozenset({Role.AGENT, Role.WORKFLOW})
_APART = frozenset(Role) - {Role.OTHER}  # the spans that calls inside belong to, and not to what is around
_INHERITED = ("agent", "user_id", "conversation_id")


class Frame:
    """One span while it or a span inside it is open.

    `call` is the counted call of this span, `donor` a duplicate inside it that knows more, `inside` the role of the
    calls that were counted inside it before its own role was known.
    """

    __slots__ = ("_role", "_span", "call", "donor", "ended", "inside", "parent", "totals")

    def __init__(self, span: weakref.ref[Span], parent: Frame | None) -> None:
        self._span = span
        self._role: Role | None = None
        self.parent = parent
        self.totals: Totals | None = None
        self.call: Call | None = None
        self.donor: Call | None = None
        self.inside: Role | None = None
        self.ended = False

    @property
    def span(self) -> Span | None:
        """The span, while somebody holds it."""
        return self._span()

    @property
    def attributes(self) -> Mapping[str, Any]:
        """The span's attributes as they are now."""
        span = self._span()
        return {} if span is None or span.attributes is None else span.attributes

    @property
    def role(self) -> Role | None:
        """The span's role; asked again until it is a definite one, for attributes may come late."""
        if self._role is None or self._role is Role.OTHER:
            span = self._span()
            if span is not None and span.attributes:
                self._role = role_of(span.attributes, span.name)
        return self._role

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
        self._lock = threading.RLock()  # reentrant: a host finalizer may end a span inside a roll-up

    def open(self, span: Span) -> Frame:
        """Register a span that has just started."""
        span_id, parent = span.get_span_context().span_id, span.parent
        found = None if parent is None or parent.is_remote else self._frames.get(parent.span_id)
        frame = Frame(weakref.ref(span, lambda _: self._dropped(span_id)), found)
        self._frames[span_id] = frame
        return frame

    def of(self, span_id: int) -> Frame | None:
        """The frame of a span, or None when the span is not recorded, remote, or gone."""
        return self._frames.get(span_id)

    def outer(self, frame: Frame, role: Role) -> Frame | None:
        """The outermost span of the same call around a frame: inference in inference, with no agent or tool between."""
        found = None
        for around in frame.enclosing():
            kind = around.role
            if kind is role:
                found = around
            elif kind in _APART:
                break
        return found

    def count(self, frame: Frame, call: Call, role: Role) -> None:
        """Add a counted call to the spans around it; those that turn out to be the same call find it counted."""
        frame.call = call
        for around in frame.enclosing():
            if around.role in _APART:
                break
            around.inside = role
        self._roll_up(frame, lambda totals: totals.add(call))

    def settle(self, frame: Frame, before: Call, after: Call) -> None:
        """Add the usage and cost that came late for a counted call."""
        frame.call = after
        self._roll_up(frame, lambda totals: totals.settle(before, after))

    def inherit(self, frame: Frame, call: Call) -> Call:
        """The call with agent, user and conversation of the nearest enclosing spans that name them."""
        missing = {field for field in _INHERITED if getattr(call, field) is None}
        found: dict[str, Any] = {}
        for around in frame.enclosing():
            if not missing:
                break
            attributes = around.attributes
            if attributes:
                known = inherited(attributes)
                for field in missing & known.keys():
                    found[field] = known[field]
                missing -= found.keys()
        return replace(call, **found) if found else call

    def _roll_up(self, frame: Frame, change: Callable[[Totals], None]) -> None:
        with self._lock:
            for around in frame.enclosing():
                if not around.rolled_up:
                    continue
                if around.totals is None:
                    around.totals = Totals()
                change(around.totals)
                span = around.span
                if span is not None and span.is_recording():
                    span.set_attributes(rollup_attributes(around.totals))

    def _dropped(self, span_id: int) -> None:
        frame = self._frames.pop(span_id, None)
        if frame is not None and frame.donor is not None and not frame.ended:
            self.orphaned(frame, frame.donor)
