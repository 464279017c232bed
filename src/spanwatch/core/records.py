r"""The journal's records: one line each, `crc32 json\n`, so that damage costs one line and no more.

A reader resynchronises at the next newline. Payloads are JSON in ASCII, so a newline can only end a record.
"""

from __future__ import annotations

import json
from binascii import crc32
from collections.abc import Callable, Iterator
from dataclasses import MISSING, dataclass, fields
from itertools import compress
from operator import attrgetter, is_not
from typing import Any, Literal

from spanwatch.core.call import USAGE_FIELDS, Call, Cost, Usage

VERSION = 1
Kind = Literal["head", "span", "call", "cost", "log", "dropped", "charge", "feedback", "metrics", "mark", "account"]
_ENCODER = json.JSONEncoder(separators=(",", ":"), check_circular=False, ensure_ascii=True, default=str)


def _encoding() -> Callable[[Any], str]:
    """What the encoder does, without the set-up that it does anew for each value, where CPython's fast one is there."""
    make: Callable[..., Any] | None = getattr(json.encoder, "c_make_encoder", None)
    if make is None:
        return _ENCODER.encode
    fast = make(None, str, json.encoder.encode_basestring_ascii, None, ":", ",", False, False, True)
    return lambda body: "".join(fast(body, 0))


encode = _encoding()
quote: Callable[[str], str] = json.encoder.encode_basestring_ascii


@dataclass(frozen=True, slots=True)
class Line:
    """One record read back: the offset just after it, and its payload, or None where it was damaged."""

    end: int
    payload: dict[str, Any] | None


def frame(kind: Kind, body: dict[str, Any]) -> bytes:
    """One record as a line. `body` must be JSON; what is not becomes its `str`."""
    return framed(encode({"k": kind, **body}))


def framed(text: str) -> bytes:
    """The JSON text of one record, in ASCII, as a line."""
    data = text.encode("ascii")
    return b"%08x %b\n" % (crc32(data), data)


def lines(data: bytes, start: int = 0) -> Iterator[Line]:
    """Every whole line of `data`; a torn tail (no newline yet) is left for the next read."""
    position = 0
    while (newline := data.find(b"\n", position)) >= 0:
        yield Line(start + newline + 1, unframe(data[position:newline]))
        position = newline + 1


def unframe(line: bytes) -> dict[str, Any] | None:
    """The payload of one line, or None when its checksum or its JSON is wrong."""
    if len(line) < 11 or line[8:9] != b" ":
        return None
    try:
        if int(line[:8], 16) != crc32(line[9:]):
            return None
        payload = json.loads(line[9:])
    except ValueError:
        return None
    return payload if isinstance(payload, dict) else None


def call_body(call: Call) -> dict[str, Any]:
    """A call as the body of a `call` record: fields at their default are left out."""
    values = _call_values(call)
    body: dict[str, Any] = dict(compress(zip(_CALL_NAMES, values, strict=True), map(is_not, values, _CALL_DEFAULTS)))
    if call.usage is not None:
        body["usage"] = call.usage.reported()
    if call.cost is not None:
        body["cost"] = _cost_body(call.cost)
    return body


def usage_from(reported: dict[str, Any]) -> Usage:
    """A usage from counts by unit name; units without a field of their own go to `other`."""
    named = {name: reported[name] for name in USAGE_FIELDS if name in reported}
    other = tuple((name, value) for name, value in reported.items() if name not in named)
    return Usage(**named, other=other)


def _cost_body(cost: Cost) -> dict[str, Any]:
    values = _cost_values(cost)
    return dict(compress(zip(_COST_NAMES, values, strict=True), map(is_not, values, _COST_DEFAULTS)))


def _fields(kind: type, *without: str) -> tuple[tuple[str, ...], tuple[Any, ...], Callable[[Any], tuple[Any, ...]]]:
    """Names, defaults and the getter of the fields of a dataclass; what must be given has None as its default."""
    found = [field for field in fields(kind) if field.name not in without]
    defaults = tuple(None if field.default is MISSING else field.default for field in found)
    return tuple(field.name for field in found), defaults, attrgetter(*(field.name for field in found))


_CALL_NAMES, _CALL_DEFAULTS, _call_values = _fields(Call, "usage", "cost")
_COST_NAMES, _COST_DEFAULTS, _cost_values = _fields(Cost, "lines")
