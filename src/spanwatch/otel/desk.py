"""The feedback desk of one process: keys of tokens, what was rated already, and what answered to which id lately."""

from __future__ import annotations

import contextlib
import os
import secrets
import sqlite3
import threading
import time
from collections import OrderedDict
from collections.abc import Sequence
from pathlib import Path
from typing import TypeVar

from spanwatch.core.call import Call
from spanwatch.core.errors import ConfigurationError
from spanwatch.core.feedback.rating import Target
from spanwatch.otel.guard import Guard, say
from spanwatch.store import files, forks
from spanwatch.store.claims import Claims

KEY_FILE = "feedback.key"
_KEY_BYTES = 32
_RECENT = 4_096  # ids of responses and conversations that are known without asking the store
_CLAIMED = 16_384
_SAID_PER_MINUTE = 10
T = TypeVar("T")


class Desk:
    """Thread-safe. Without a home nothing is shared with other processes.

    Args:
        home: Where claims and, when none is configured, the key of tokens are kept.
        keys: Secrets of tokens: the first one signs, all of them open.
        alone: Whether tokens of this process are for itself only, so that it may make a key up.
    """

    def __init__(self, home: Path | None = None, keys: Sequence[bytes] = (), *, alone: bool = False) -> None:
        self.home, self.guard = home, Guard()
        self._keys, self._alone = tuple(keys), alone
        self._recent: OrderedDict[str, Target] = OrderedDict()
        self._claimed: OrderedDict[str, None] = OrderedDict()
        self._said: list[float] = []
        self._unsaid = 0
        self._renew()
        forks.around(child=self._renew)

    def keys(self) -> tuple[bytes, ...]:
        """The secrets of tokens.

        Raises:
            ConfigurationError: none is configured, and none can be kept for other processes to find.
        """
        if not self._keys:
            if self.home is not None:
                self._keys = (_kept_key(self.home),)
            elif self._alone:
                self._keys = (secrets.token_bytes(_KEY_BYTES),)
            else:
                raise ConfigurationError(
                    "feedback tokens need a key: set feedback_key (SPANWATCH_FEEDBACK_KEY) to a secret of 32 or more "
                    "characters, the same for every process that makes or takes tokens"
                )
        return self._keys

    def is_claimed(self, claim: str) -> bool:
        """Whether a token or key was used before, here or in another process of this home."""
        with self._lock:
            if claim in self._claimed:
                return True
        known = None
        if self._claims is not None:
            known = self.guard.run("looking a claim up", self._claims.known, claim)
        return bool(known)

    def claim(self, claim: str, until_s: float) -> bool:
        """Use a token or key, until a moment in UNIX seconds; False when it was used before."""
        first = True
        if self._claims is not None:  # where claims cannot be kept, this process at least knows its own
            with contextlib.suppress(OSError, sqlite3.Error):
                first = self._claims.first(claim, time.time(), until_s)
        with self._lock:
            first = first and claim not in self._claimed
            _keep(self._claimed, claim, None, _CLAIMED)
        return first

    def saw(self, call: Call) -> None:
        """Remember which call answered, by the ids that the application knows it by."""
        if call.trace_id is None or not (call.response_id or call.conversation_id):
            return
        target = target_of_call(call)
        with self._lock:
            for reference in (call.response_id, call.conversation_id):
                if reference:
                    _keep(self._recent, reference, target, _RECENT)

    def recent(self, reference: str) -> Target | None:
        """What answered to an id lately."""
        with self._lock:
            return self._recent.get(reference)

    def warn(self, text: str) -> None:
        """Say something about one rating in the log, but not more often than _SAID_PER_MINUTE."""
        now = time.monotonic()
        with self._lock:
            self._said = [at for at in self._said if now - at < 60]
            if len(self._said) >= _SAID_PER_MINUTE:
                self._unsaid += 1
                return
            self._said.append(now)
            unsaid, self._unsaid = self._unsaid, 0
        say("%s%s", text, f" ({unsaid} more since the last such line)" if unsaid else "")

    def close(self) -> None:
        """Give files back."""
        if self._claims is not None:
            self._claims.close()

    def _renew(self) -> None:
        """At first, and in a forked child: locks and connections of its own."""
        self._lock = threading.RLock()  # reentrant: a host finalizer may end a call inside
        self._claims = None if self.home is None else Claims(self.home)


def target_of_call(call: Call) -> Target:
    """A call as what is rated."""
    return Target(
        trace_id=call.trace_id,
        span_id=call.span_id,
        sampled=call.sampled,
        user_id=call.user_id,
        conversation_id=call.conversation_id,
        agent=call.agent,
        model=call.response_model or call.request_model,
        app_version=call.app_version,
    )


def _keep(into: OrderedDict[str, T], key: str, value: T, most: int) -> None:
    into[key] = value
    into.move_to_end(key)
    if len(into) > most:
        into.popitem(last=False)


def _kept_key(home: Path) -> bytes:
    """The key in the home, made when missing; however many processes make one at once, one key is kept."""
    path = home / KEY_FILE
    try:
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not path.exists():
            made = home / f"{KEY_FILE}.{secrets.token_hex(8)}"
            descriptor = files.open_file(made, os.O_WRONLY | os.O_CREAT | os.O_EXCL)
            with os.fdopen(descriptor, "w", encoding="ascii") as file:
                file.write(secrets.token_hex(_KEY_BYTES))
            with contextlib.suppress(FileExistsError):
                os.link(made, path)
            made.unlink()
        with os.fdopen(files.open_file(path, os.O_RDONLY), encoding="ascii") as file:
            key = file.read(4_096).strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"the key of feedback tokens in {path} cannot be used: {error}") from None
    if len(key) < _KEY_BYTES:
        raise ConfigurationError(
            f"the key of feedback tokens in {path} is too short: remove the file, or set feedback_key"
        )
    return key.encode("ascii")
