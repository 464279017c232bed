"""What the demo server remembers: counters, the last requests, and created responses."""

from __future__ import annotations

import itertools
import os
import time
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from demo.server.config import Config

KEPT_RESPONSES = 10_000
KEPT_REQUESTS = 1_000


class Droppable(Protocol):
    """A connection, as far as stopping the server needs it."""

    def abort(self) -> None:
        """Drop it."""


class State:
    """One server's memory; all of it lives on the server's event loop."""

    def __init__(self, config: Config) -> None:
        self.config = config
        self.started = time.time()
        self.responses: dict[str, dict[str, Any]] = {}
        self.connections: set[Droppable] = set()
        self._ids = itertools.count(1)
        self.reset()

    def reset(self) -> None:
        """Forget requests and responses; ids go on."""
        self.by_path: Counter[str] = Counter()
        self.failures: Counter[str] = Counter()
        self.aborted = 0
        self.requests = 0
        self.seen: deque[dict[str, Any]] = deque(maxlen=KEPT_REQUESTS)
        self.responses.clear()

    def new_id(self, prefix: str) -> str:
        """A fresh id, unique on this machine."""
        return f"{prefix}-demo{os.getpid():x}x{next(self._ids):08x}"

    def keep(self, response: dict[str, Any]) -> None:
        """Remember a response for `GET /v1/responses/{id}`."""
        self.responses[response["id"]] = response
        if len(self.responses) > KEPT_RESPONSES:
            self.responses.pop(next(iter(self.responses)))

    def stats(self) -> dict[str, Any]:
        """Counters and the last request, as `GET /__stats` answers them."""
        return {
            "requests": self.requests,
            "by_path": dict(self.by_path),
            "aborted": self.aborted,
            "last": self.seen[-1] if self.seen else {},
            "uptime": time.time() - self.started,
            "pid": os.getpid(),
        }


@dataclass(frozen=True, slots=True)
class Exchange:
    """One request as the answer builders see it: its options, its JSON body, and a source of ids."""

    config: Config
    body: dict[str, Any]
    new_id: Callable[[str], str]

    @property
    def model(self) -> str:
        """The requested model, or nothing."""
        return str(self.body.get("model") or "")

    @property
    def answered_model(self) -> str | None:
        """The model that the answer names."""
        if self.config.odd == "model_null":
            return None
        return self.config.response_model or f"{self.model}{self.config.response_suffix}"

    @property
    def wants_usage(self) -> bool:
        """Whether `stream_options.include_usage` is set."""
        return bool((self.body.get("stream_options") or {}).get("include_usage"))
