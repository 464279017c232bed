"""One trace as a tree, in time linear in its spans, whatever their parents say."""

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from spanwatch.core.errors import StoreError, UsageError
from spanwatch.core.money import usd_text
from spanwatch.core.names import ERROR_TYPE, OUTCOME, REPORTED_COST
from spanwatch.core.times import iso
from spanwatch.store import database
from spanwatch.store.calls import StoredCall, of_trace

_HEX = re.compile(r"[0-9a-f]{1,32}\Z")
_SHOWN = 5
_NOTHING: tuple[Any, ...] = (0, 0, 0, 0, 0, 0, None, None, None, None)


@dataclass(frozen=True, slots=True)
class Total:
    """Sums over the calls of a subtree; tokens and cost are over those where they are known, None where for none."""

    calls: int = 0
    errors: int = 0
    refused: int = 0
    unpriced: int = 0
    partial: int = 0
    guessed: int = 0  # cost approximate or estimated
    input_tokens: int | None = None
    cache_read_tokens: int | None = None
    output_tokens: int | None = None
    nano_usd: int | None = None

    @property
    def is_lower_bound(self) -> bool:
        """Whether the true cost is above `nano_usd`, by an unknown amount."""
        return bool(self.unpriced or self.partial)


_NO_CALLS = Total()


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the tree, in pre-order. Times are UNIX nanoseconds.

    `call` is the model call that the span stands for. `ending` says how a span that failed ended, such as
    `error TimeoutError` or `refused spanwatch.BudgetExceeded`. `note` says what is odd: the span was not sampled, its
    parent is missing, or its parents form a circle. `total` is over the calls of the whole subtree.
    """

    depth: int
    last: bool  # the last child of its parent
    span_id: str | None
    parent_span_id: str | None
    name: str
    started_ns: int
    ended_ns: int
    failed: bool
    service: str | None
    call: StoredCall | None
    ending: str | None
    note: str | None
    total: Total
    attributes: dict[str, Any] | None


@dataclass(frozen=True, slots=True)
class Trace:
    """A trace: its lines in the order in which they are read, and the sums over all of its calls."""

    trace_id: str
    started_ns: int
    ended_ns: int
    lines: tuple[Line, ...]
    spans: int
    unsampled: int  # calls whose span is not kept
    total: Total

    def as_dict(self) -> dict[str, Any]:
        """The same for JSON: its spans in the order of the tree, times in ISO 8601, money as decimal text."""
        return {
            "trace_id": self.trace_id,
            "started_at": iso(self.started_ns),
            "duration_s": (self.ended_ns - self.started_ns) / 1e9,
            "unsampled_calls": self.unsampled,
            "total": _total(self.total),
            "spans": [_span(line) for line in self.lines],
        }


def _span(line: Line) -> dict[str, Any]:
    return {
        "span_id": line.span_id,
        "parent_span_id": line.parent_span_id,
        "depth": line.depth,
        "name": line.name,
        "service": line.service,
        "started_at": iso(line.started_ns),
        "duration_s": (line.ended_ns - line.started_ns) / 1e9,
        "status": "error" if line.failed else "ok",
        "note": line.note,
        "total": _total(line.total),
        "call": None if line.call is None else line.call.as_dict(),
        "attributes": line.attributes,
    }


def _total(total: Total) -> dict[str, Any]:
    return {
        "calls": total.calls,
        "errors": total.errors,
        "refused": total.refused,
        "unpriced_calls": total.unpriced,
        "input_tokens": total.input_tokens,
        "cache_read_tokens": total.cache_read_tokens,
        "output_tokens": total.output_tokens,
        "cost_usd": None if total.nano_usd is None else usd_text(total.nano_usd),
        "cost_is_lower_bound": total.is_lower_bound,
    }


def trace(home: Path, prefix: str, *, attributes: bool = False) -> Trace:
    """The trace whose id begins with `prefix`; with the attributes of its spans when asked for.

    Raises:
        UsageError: the prefix is not hexadecimal, or more than one trace begins with it.
        StoreError: no trace does, or the store cannot be read.
    """
    with database.reading(home) as db:
        trace_id = _resolved(db, prefix, home)
        lines = list(_ordered(_nodes(db, trace_id, attributes)))
        started, ended = db.execute(
            "SELECT started_ns, ended_ns FROM traces WHERE trace_id = ?", (trace_id,)
        ).fetchone()
    return _summed(trace_id, started, ended, lines)


def _resolved(db: sqlite3.Connection, prefix: str, home: Path) -> str:
    wanted = prefix.strip().lower().removeprefix("0x")
    if not _HEX.match(wanted):
        raise UsageError(f"a trace id is up to 32 hexadecimal digits, not {prefix[:64]!r}; spanwatch traces lists them")
    found = [
        row[0]
        for row in db.execute(
            "SELECT trace_id FROM traces WHERE trace_id >= ? AND trace_id < ? ORDER BY trace_id LIMIT ?",
            (wanted, wanted + "g", _SHOWN + 1),
        )
    ]
    if not found:
        raise StoreError(f"no trace in {home} begins with {wanted}; spanwatch traces lists them")
    if len(found) > 1:
        more = ", ..." if len(found) > _SHOWN else ""
        raise UsageError(
            f"more than one trace begins with {wanted}: {', '.join(found[:_SHOWN])}{more}; give more of it"
        )
    return str(found[0])


class _Node(NamedTuple):
    """A span, or a call that no span stands for, before it has a place in the tree."""

    span_id: str | None
    parent_span_id: str | None
    name: str
    started_ns: int
    ended_ns: int
    failed: bool
    service: str | None
    call: StoredCall | None
    ending: str | None
    note: str | None
    attributes: dict[str, Any] | None


class _Place(NamedTuple):
    depth: int
    last: bool
    note: str | None
    node: _Node


def _nodes(db: sqlite3.Connection, trace_id: str, attributes: bool) -> list[_Node]:
    """Every span, and every call that no span stands for, in order of start."""
    calls: dict[str | None, list[StoredCall]] = {}
    for call in of_trace(db, trace_id):
        calls.setdefault(call.span_id, []).append(call)
    services = dict(db.execute("SELECT id, service FROM sources"))
    nodes = []
    body = "body" if attributes else "CASE WHEN failed THEN body END"
    for span_id, parent, name, started, ended, failed, source, text in db.execute(
        f"SELECT span_id, parent_id, name, started_ns, ended_ns, failed, source, {body} "  # noqa: S608 (constants)
        "FROM spans WHERE trace_id = ?",
        (trace_id,),
    ):
        own, service = calls.get(span_id), services.get(source)
        call_of = own.pop(0) if own else None
        found = json.loads(text).get("a", {}) if text else None
        ending = _ending(found or {}) if failed else None
        kept = found if attributes else None
        nodes.append(_Node(span_id, parent, name, started, ended, bool(failed), service, call_of, ending, None, kept))
    known = {node.span_id for node in nodes}
    for span_id, rest in calls.items():
        nodes += [_of_call(call, span_id if span_id in known else call.parent_span_id) for call in rest]
    nodes.sort(key=lambda node: (node.started_ns, node.span_id or ""))
    return nodes


def _ending(attributes: dict[str, Any]) -> str:
    return f"{attributes.get(OUTCOME, 'error')} {attributes.get(ERROR_TYPE, '')}".rstrip()


def _of_call(call: StoredCall, parent: str | None) -> _Node:
    """A call whose own span is not kept, or which shares one with another call."""
    name = f"{call.operation} {call.request_model or call.response_model or ''}".rstrip()
    end, note = call.started_ns + call.duration_ns, "not sampled" if not call.sampled else "span not kept"
    return _Node(None, parent, name, call.started_ns, end, call.status == "error", call.service, call, None, note, None)


def _ordered(nodes: list[_Node]) -> Iterator[_Place]:
    """Pre-order. A span whose parent is missing is a root; a circle is opened at its earliest span."""
    known = {node.span_id for node in nodes if node.span_id is not None}
    children: dict[str | None, list[int]] = {}
    roots: list[tuple[int, str | None]] = []
    for number, node in enumerate(nodes):
        if node.parent_span_id in known:
            children.setdefault(node.parent_span_id, []).append(number)
        else:
            note = "parent missing" if node.parent_span_id and not node.note else node.note
            roots.append((number, note))
    seen = bytearray(len(nodes))
    for number, note in roots:
        yield from _walk(nodes, children, seen, number, note)
    for number in range(len(nodes)):
        if not seen[number]:
            yield from _walk(nodes, children, seen, number, "parents form a circle")


def _walk(
    nodes: list[_Node], children: dict[str | None, list[int]], seen: bytearray, root: int, note: str | None
) -> Iterator[_Place]:
    stack = [(root, 0, True)]
    seen[root] = 1
    while stack:
        number, depth, last = stack.pop()
        node = nodes[number]
        yield _Place(depth, last, note if number == root else node.note, node)
        below = [child for child in children.get(node.span_id, ()) if not seen[child]] if node.span_id else []
        for child in below:
            seen[child] = 1
        stack += [(child, depth + 1, child == below[-1]) for child in reversed(below)]


def _summed(trace_id: str, started_ns: int, ended_ns: int, places: list[_Place]) -> Trace:
    totals = [_own(place.node.call) for place in places]
    parents: list[int] = []
    path: list[int] = []
    for number, place in enumerate(places):
        del path[place.depth :]
        parents.append(path[-1] if path else -1)
        path.append(number)
    whole = [*_NOTHING]
    for number in range(len(places) - 1, -1, -1):
        more, parent = totals[number], parents[number]
        if more is not None and parent < 0:
            _add(whole, more)
        elif more is not None:
            above = totals[parent] = totals[parent] or [*_NOTHING]
            _add(above, more)
    lines = tuple(map(_line, places, totals))
    spans = sum(line.span_id is not None for line in lines)
    return Trace(trace_id, started_ns, ended_ns, lines, spans, len(lines) - spans, Total(*whole))


def _line(place: _Place, total: list[Any] | None) -> Line:
    depth, last, note, node = place
    sums = _NO_CALLS if total is None else Total(*total)
    return Line(depth, last, *node[:9], note, sums, node.attributes)


def _own(call: StoredCall | None) -> list[Any] | None:
    if call is None:
        return None
    if not call.counted:
        stated = call.nano_usd if call.operation == REPORTED_COST else None
        return [0, 0, int(call.status == "refused"), 0, 0, 0, None, None, None, stated]
    usage, failed = call.usage or {}, call.status == "error"
    counts = [1, int(failed), 0, int(call.nano_usd is None and not failed), int(call.cost_status == "partial")]
    tokens = [usage.get(name) for name in ("input_tokens", "cache_read_tokens", "output_tokens")]
    return [*counts, int(call.cost_status in {"approximate", "estimated"}), *tokens, call.nano_usd]


def _add(total: list[Any], more: list[Any]) -> None:
    for at in range(6):
        total[at] += more[at]
    for at in range(6, 10):
        if more[at] is not None:
            total[at] = more[at] + (total[at] or 0)
