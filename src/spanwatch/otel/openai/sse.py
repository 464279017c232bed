"""Server-sent events as bytes: seen line by line, some lines taken out, all others passed on untouched."""

from __future__ import annotations

import re
from collections.abc import Callable

# What becomes of the payload of a `data:` line: kept (None), replaced, or taken out with its event (b"").
Judge = Callable[[bytes], bytes | None]

_FIELD = b"data:"
_NULL_USAGE = re.compile(rb',\s*"usage"\s*:\s*null|(?<=\{)\s*"usage"\s*:\s*null\s*,?')
_STRUCTURE = re.compile(rb'"(?:[^"\\]|\\.)*"|[{}\[\]]')


class Lines:
    """An incremental filter of an event stream; chunk boundaries and the kind of line end do not matter.

    A line is passed on as soon as it is whole. When `judge` takes out the payload of an event, the blank line that
    ends the event goes with it.
    """

    def __init__(self, judge: Judge) -> None:
        self._judge = judge
        self._begun: list[bytes] = []  # parts of the line that is not whole yet
        self._skip_blank = False

    def feed(self, data: bytes) -> bytes:
        """The bytes to pass on now."""
        if b"\n" not in data and b"\r" not in data and not self._ends_in_cr():
            self._begun.append(data)
            return b""
        lines = b"".join([*self._begun, data]).splitlines(keepends=True)
        # The last line may go on in the next piece, and so may a line end whose LF is still to come.
        self._begun = [] if lines[-1].endswith(b"\n") else [lines.pop()]
        return b"".join(map(self._line, lines))

    def finish(self) -> bytes:
        """What is left when the stream ends without a line end."""
        rest, self._begun = b"".join(self._begun), []
        return self._line(rest) if rest else b""

    def _ends_in_cr(self) -> bool:
        return bool(self._begun) and self._begun[-1].endswith(b"\r")

    def _line(self, line: bytes) -> bytes:
        if self._skip_blank:
            self._skip_blank = False
            if not line.strip(b"\r\n"):
                return b""
        if not line.startswith(_FIELD):
            return line
        payload = line[len(_FIELD) :].strip()
        judged = self._judge(payload)
        if judged is None:
            return line
        if not judged:
            self._skip_blank = True
            return b""
        return line.replace(payload, judged, 1)


def without_null_usage(payload: bytes) -> bytes:
    """A JSON object without its top-level `"usage": null`, every other byte as it was."""
    for match in _NULL_USAGE.finditer(payload):
        if _depth(payload[: match.start()]) == 1:
            return payload[: match.start()] + payload[match.end() :]
    return payload


def _depth(prefix: bytes) -> int:
    """How many brackets are open at the end of a prefix of a JSON text."""
    depth = 0
    for token in _STRUCTURE.findall(prefix):
        depth += (token in (b"{", b"[")) - (token in (b"}", b"]"))
    return depth


def rechunked(data: bytearray, size: int) -> list[bytes]:
    """Whole chunks of `size` bytes taken from the front of `data`."""
    whole = [bytes(data[start : start + size]) for start in range(0, len(data) - size + 1, size)]
    del data[: len(whole) * size]
    return whole
