"""Raw and streaming responses: the application reads the HTTP body itself, so the call listens to its bytes.

Only the body readers of the response object are replaced. `parse()` of a streamed answer gives a `Stream`, which is
then watched like any other and the bytes are let alone.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any, Protocol

from spanwatch.otel.openai.opened import OpenCall
from spanwatch.otel.openai.sse import Lines, rechunked, without_null_usage
from spanwatch.otel.openai.streams import hear_close, hear_drop, replace, watch

MAX_BODY = 32 * 1024 * 1024  # bytes of a body that is read for its facts; a larger one passes unread
_DONE = b"[DONE]"
_UNREADABLE = (ValueError, RecursionError)  # no JSON, or nested deeper than Python reads


class Listener(Protocol):
    """Hears the bytes of one body and says which of them to pass on."""

    def feed(self, data: bytes) -> bytes:
        """The next bytes."""

    def finish(self) -> bytes:
        """The body is complete."""


def watch_raw(response: Any, call: OpenCall, is_stream: Callable[[Any], bool]) -> None:
    """Listen to an API response (`with_raw_response`, `with_streaming_response`) or a bare HTTP response."""
    http = getattr(response, "http_response", response)
    if not call.request.stream and _is_read(http):
        whole_body(call, http.content)
        call.succeeded()
        return
    bytes_of = Bytes(http, call)
    hear_close(http, call)
    hear_drop(http, call)
    bytes_of.listen()
    if call.request.stream and response is not http:
        _hear_parse(response, call, bytes_of, is_stream)


def whole_body(call: OpenCall, body: bytes) -> None:
    """The facts of a JSON body; anything else has none."""
    try:
        call.whole(json.loads(body))
    except _UNREADABLE:
        return


def _is_read(http: Any) -> bool:
    try:
        http.content  # noqa: B018 (raises when the body is still to be read)
    except Exception:  # noqa: BLE001 (of httpx or httpx2, whichever the client uses)
        return False
    return True


def _hear_parse(response: Any, call: OpenCall, bytes_of: Bytes, is_stream: Callable[[Any], bool]) -> None:
    parse = response.parse

    def taken(parsed: Any) -> Any:
        if is_stream(parsed) and not bytes_of.begun:
            bytes_of.passive = True
            watch(parsed, call)
        return parsed

    def parsing(*args: Any, **kwargs: Any) -> Any:
        parsed = parse(*args, **kwargs)
        return later(parsed) if hasattr(parsed, "__await__") else taken(parsed)

    async def later(parsed: Any) -> Any:
        return taken(await parsed)

    replace(response, call, parse=parsing)


class Bytes:
    """The body readers of one HTTP response."""

    def __init__(self, http: Any, call: OpenCall) -> None:
        self._http, self._call = http, call
        self.passive = False  # a watched `Stream` reads the body
        self.begun = False

    def listen(self) -> None:
        """Put listening readers in front of the response's own; every other reader is built on these."""
        http, call = self._http, self._call
        of_bytes, of_raw, later_bytes, later_raw = http.iter_bytes, http.iter_raw, http.aiter_bytes, http.aiter_raw

        def iter_bytes(chunk_size: int | None = None) -> Iterator[bytes]:
            return of_bytes(chunk_size) if self.passive else self._sync(of_bytes(), chunk_size)

        def iter_raw(chunk_size: int | None = None) -> Iterator[bytes]:
            return of_raw(chunk_size) if self._untouched() else self._sync(of_raw(), chunk_size)

        def aiter_bytes(chunk_size: int | None = None) -> AsyncIterator[bytes]:
            return later_bytes(chunk_size) if self.passive else self._async(later_bytes(), chunk_size)

        def aiter_raw(chunk_size: int | None = None) -> AsyncIterator[bytes]:
            return later_raw(chunk_size) if self._untouched() else self._async(later_raw(), chunk_size)

        methods = {"iter_bytes": iter_bytes, "iter_raw": iter_raw}
        replace(http, call, **methods, aiter_bytes=aiter_bytes, aiter_raw=aiter_raw)

    def _untouched(self) -> bool:
        """Whether raw bytes pass: inside a reader that listens already, or compressed."""
        return self.passive or self._call.reading or "content-encoding" in self._http.headers

    def _listener(self) -> Listener:
        self.begun = True
        return _Events(self._call) if self._call.request.stream else _Body(self._call)

    def _sync(self, pieces: Iterator[bytes], chunk_size: int | None) -> Iterator[bytes]:
        call, listener, kept = self._call, self._listener(), bytearray()
        while True:
            call.reading = True
            try:
                piece = next(pieces, None)
            except BaseException as error:
                call.failed(error)
                raise
            finally:
                call.reading = False
            yield from _shaped(kept, listener.finish() if piece is None else listener.feed(piece), chunk_size)
            if piece is None:
                break
        if kept:
            yield bytes(kept)
        call.succeeded()

    async def _async(self, pieces: AsyncIterator[bytes], chunk_size: int | None) -> AsyncIterator[bytes]:
        call, listener, kept = self._call, self._listener(), bytearray()
        while True:
            call.reading = True
            try:
                piece = await anext(pieces, None)
            except BaseException as error:
                call.failed(error)
                raise
            finally:
                call.reading = False
            for chunk in _shaped(kept, listener.finish() if piece is None else listener.feed(piece), chunk_size):
                yield chunk
            if piece is None:
                break
        if kept:
            yield bytes(kept)
        call.succeeded()


class _Events:
    """The events of a stream; takes out what only our usage option put in."""

    def __init__(self, call: OpenCall) -> None:
        self._call = call
        self._lines = Lines(self._judge)
        self.feed, self.finish = self._lines.feed, self._lines.finish

    def _judge(self, payload: bytes) -> bytes | None:
        call = self._call
        if payload == _DONE:
            call.done = True
            return None
        try:
            data = json.loads(payload)
        except _UNREADABLE:
            return None
        call.note(data)
        if not call.hides or not isinstance(data, dict) or "usage" not in data:
            return None
        if data["usage"] is None:
            return without_null_usage(payload)
        if data.get("choices"):
            return None
        call.uncounted()
        return b""


class _Body:
    """A JSON body, collected for its facts."""

    def __init__(self, call: OpenCall) -> None:
        self._call = call
        self._pieces: list[bytes] = []
        self._room = MAX_BODY

    def feed(self, data: bytes) -> bytes:
        self._room -= len(data)
        if self._room >= 0:
            self._pieces.append(data)
        else:
            self._pieces.clear()
        return data

    def finish(self) -> bytes:
        if self._room >= 0:
            whole_body(self._call, b"".join(self._pieces))
        return b""


def _shaped(kept: bytearray, data: bytes, chunk_size: int | None) -> Iterator[bytes]:
    """Data as it came, or in chunks of a size; what is short of one stays in `kept`."""
    if chunk_size is not None:
        kept += data
        yield from rechunked(kept, chunk_size)
    elif data:
        yield data
