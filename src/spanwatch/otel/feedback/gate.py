"""What the HTTP doors decide, whatever server they stand in: who may, how much, how often, and what is answered.

An answer says only words of ours: nothing that came in is ever sent back.
"""

from __future__ import annotations

import json
import math
import threading
import time
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from spanwatch.core.durations import seconds
from spanwatch.core.feedback.tokens import TokenError, is_token
from spanwatch.otel.feedback.giving import feedback
from spanwatch.otel.guard import Guard
from spanwatch.store import forks

MAX_BYTES = 65_536
MAX_AGE_S = 600  # how long a browser may remember that it may ask
_CLIENTS = 10_000  # clients whose rate is known at once
_ALL = "*"
_FIELDS = frozenset({"token", "rating", "score", "label", "comment"})

Headers = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Answer:
    """A status, headers and a body of our own words."""

    status: int
    body: bytes = b""
    headers: Headers = ()


@dataclass(frozen=True, slots=True)
class Rules:
    """Who may rate from a browser (`origins`), how often one client may, and how large a request may be."""

    origins: frozenset[str]
    often: int
    per_s: float
    max_bytes: int


def rules_from(origins: Sequence[str], rate: str, max_bytes: int) -> Rules:
    """Rules from what the application says.

    Raises:
        TypeError, ValueError: an origin, the rate or the size cannot be; the text says what it takes.
    """
    if isinstance(origins, str):
        raise TypeError(f"origins is a list of origins such as ['https://app.example.com'], not the text {origins!r}")
    found = frozenset(_origin(origin) for origin in origins)
    count, _, per = rate.partition("/")
    try:
        often, per_s = int(count), seconds(per)
    except ValueError:
        often, per_s = 0, 0.0
    if often < 1:
        raise ValueError(f"rate is a number of requests and a time, such as '10/1m', not {rate!r}")
    if not 256 <= max_bytes <= 1 << 24:
        raise ValueError(f"max_bytes is from 256 to {1 << 24}, not {max_bytes}")
    return Rules(found, often, per_s, max_bytes)


class Gate:
    """Decides on requests, from any thread; a failure of ours is answered with status 500."""

    def __init__(self, rules: Rules) -> None:
        self.rules, self._guard = rules, Guard()
        self._renew()
        forks.around(child=self._renew)
        self._clients: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def refused(self, method: str, headers: Mapping[str, str], client: str) -> Answer | None:
        """What to answer before the body is read, or None when it should be. Header names are in lower case."""
        origin = headers.get("origin")
        shared = self._shared(origin, headers.get("host", ""))
        if shared is None:
            return _said(403, "origin not allowed")
        if method == "OPTIONS":
            allowed = (*shared, ("access-control-allow-methods", "POST"), ("access-control-max-age", str(MAX_AGE_S)))
            return Answer(204, headers=(*allowed, ("access-control-allow-headers", "content-type")))
        if method != "POST":
            return _said(405, "POST only", (*shared, ("allow", "POST, OPTIONS")))
        wait_s = self._wait(client)
        if wait_s:
            return _said(429, "too many requests", (*shared, ("retry-after", str(math.ceil(wait_s)))))
        if headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
            return _said(415, "application/json only", shared)
        length = headers.get("content-length", "0")
        if not (length.isascii() and length.isdecimal()):
            return _said(400, "wrong content-length", shared)
        return self.too_large(headers) if int(length[:20]) > self.rules.max_bytes else None

    def too_large(self, headers: Mapping[str, str]) -> Answer:
        """What a body over the limit is answered with."""
        return _said(413, "too large", self._shared(headers.get("origin"), headers.get("host", "")) or ())

    def too_slow(self, headers: Mapping[str, str]) -> Answer:
        """What a body that does not come is answered with."""
        return _said(408, "too slow", self._shared(headers.get("origin"), headers.get("host", "")) or ())

    def answer(self, headers: Mapping[str, str], body: bytes) -> Answer:
        """Take the feedback of a request that was not refused."""
        shared = self._shared(headers.get("origin"), headers.get("host", "")) or ()
        found = self._guard.run("answering feedback", _taken, body) or (500, "trouble")
        return _said(*found, shared)

    def _shared(self, origin: str | None, host: str) -> Headers | None:
        """The CORS headers of an origin that may; None of one that may not. Servers and curl have none."""
        if origin is None or (host and urlsplit(origin).netloc.lower() == host.lower()):
            return ()
        if origin in self.rules.origins:
            return (("access-control-allow-origin", origin), ("vary", "origin"))
        return (("access-control-allow-origin", _ALL),) if _ALL in self.rules.origins else None

    def _renew(self) -> None:
        """At first, and in a forked child: another thread of the parent's may hold its lock for ever."""
        self._lock = threading.Lock()

    def _wait(self, client: str) -> float:
        """Seconds until the client may again; 0 when it may now. A bucket of tokens for each client."""
        often, now = self.rules.often, time.monotonic()
        with self._lock:
            left, at = self._clients.pop(client, (float(often), now))
            left = min(float(often), left + (now - at) * often / self.rules.per_s)
            allowed = left >= 1
            self._clients[client] = (left - 1 if allowed else left, now)
            if len(self._clients) > _CLIENTS:
                self._clients.popitem(last=False)
        return 0.0 if allowed else (1 - left) * self.rules.per_s / often


def _taken(body: bytes) -> tuple[int, str]:
    try:
        said = json.loads(body.decode("utf-8"), parse_constant=_no_constant)
    except (ValueError, RecursionError):
        return 400, "not JSON"
    if not isinstance(said, dict) or not isinstance(said.get("token"), str) or said.keys() - _FIELDS:
        return 400, "an object of token, rating, score, label and comment is wanted"
    token = said.pop("token")
    if not is_token(token):  # no other way to name what is rated: ids can be guessed
        return 403, "token not valid"
    try:
        done = feedback(token, **said)
    except TokenError as error:
        return (410, "token expired") if error.reason == "expired" else (403, "token not valid")
    except (TypeError, ValueError):
        return 422, "rating is 1 to 5, score 0 to 1, label a word; exactly one of them, and comment a text"
    return (409, "already rated") if done.duplicate else (201, "recorded")


def _no_constant(_name: str) -> Any:
    raise ValueError("no JSON")


def _said(status: int, text: str, headers: Headers = ()) -> Answer:
    body = json.dumps({"status" if status < 300 else "error": text}).encode("ascii")
    fixed = (("content-type", "application/json"), ("cache-control", "no-store"), ("x-content-type-options", "nosniff"))
    return Answer(status, body, (*fixed, *headers))


def _origin(origin: str) -> str:
    if origin == _ALL:
        return origin
    parts = urlsplit(origin) if isinstance(origin, str) else None
    if parts is None or parts.scheme not in {"http", "https"} or f"{parts.scheme}://{parts.netloc}" != origin:
        raise ValueError(f"an origin is a scheme and a host, such as 'https://app.example.com', not {origin!r}")
    return origin
