"""HTTP/1.1 with keep-alive, one request at a time per connection, and the faults of the wire."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import struct
import sys
from collections.abc import Coroutine, Iterator
from typing import Any

from demo.server.config import Config
from demo.server.routes import Answer, admin, answer, error_body
from demo.server.state import Exchange, State

_REASONS = {200: "OK", 400: "Bad Request", 401: "Unauthorized", 404: "Not Found", 429: "Too Many Requests"}
_STREAM_HEAD = (
    b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream; charset=utf-8\r\ncache-control: no-cache\r\n"
    b"transfer-encoding: chunked\r\nx-request-id: "
)
_CUT_BODY = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 4096\r\n\r\n{"
_STREAM_FAULTS = frozenset({"cut", "reset", "stall", "error_event"})
_FOREVER = 3_600
_STREAM_ERROR = {"message": "Demo: stream error", "code": "demo_stream", "param": None}


class Gone(Exception):  # noqa: N818 (it ends an exchange, nothing failed)
    """The connection is closed: the exchange ends without a complete answer."""


class Connection(asyncio.Protocol):
    """One client connection."""

    def __init__(self, state: State) -> None:
        self.state = state
        self._transport: asyncio.Transport | None = None
        self._buffer = bytearray()
        self._task: asyncio.Task[None] | None = None
        self._closed = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the connection; small writes go out at once."""
        self._transport = transport  # type: ignore[assignment]
        self.state.connections.add(self)
        sock = transport.get_extra_info("socket")
        if sock is not None:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 (asyncio's signature)
        """Count an answer that the client did not wait for."""
        self._closed = True
        self.state.connections.discard(self)
        if self._task is not None and not self._task.done():
            self.state.aborted += 1
            self._task.cancel()

    def abort(self) -> None:
        """Drop the connection."""
        if self._transport is not None:
            self._transport.abort()

    def data_received(self, data: bytes) -> None:
        """Collect bytes; answer once a request is whole."""
        self._buffer += data
        if self._task is None:
            self._next()

    def _next(self) -> None:
        """Begin the next request of the buffer, if it is whole."""
        end = self._buffer.find(b"\r\n\r\n")
        if end < 0:
            return
        first, *lines = bytes(self._buffer[:end]).decode("latin-1").split("\r\n")
        headers = {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        total = end + 4 + int(headers.get("content-length") or 0)
        if len(self._buffer) < total:
            return
        raw = bytes(self._buffer[end + 4 : total])
        del self._buffer[:total]
        method, target, _ = first.split(" ", 2)
        self.state.requests += 1
        with contextlib.suppress(Gone):
            slow = self._begin(method, target, headers, raw)
            if slow is not None:
                self._task = asyncio.get_running_loop().create_task(self._run(slow))

    def _begin(self, method: str, target: str, headers: dict[str, str], raw: bytes) -> Coroutine[Any, Any, None] | None:
        """Answer at once where there is nothing to wait for, else the work to do."""
        path, _, query = target.partition("?")
        try:
            body = _parsed(raw, headers)
            if path.startswith("/__"):
                self._admin(method, path, body)
                return None
            config = _config(self.state.config, headers, body)
        except ValueError as error:
            self._error(400, str(error))
            return None
        self.state.by_path[path] += 1
        self.state.seen.append({"method": method, "path": path, "query": query, "headers": headers, "body": body})
        reply = answer(self.state, Exchange(config, body, self.state.new_id), method, path, query)
        if config.latency or config.fault or reply.chunks is not None:
            return self._answer(config, reply)
        self._plain(config, reply)
        return None

    async def _run(self, work: Coroutine[Any, Any, None]) -> None:
        try:
            await work
        except (Gone, asyncio.CancelledError):
            pass
        except Exception as error:  # noqa: BLE001 (a defect of the server must be visible, never silent)
            print(f"demo server: {type(error).__name__}: {error}", file=sys.stderr)
            with contextlib.suppress(Gone):
                self._abort(reset=False)
        finally:
            self._task = None
            if not self._closed and self._buffer:
                self._next()

    async def _answer(self, config: Config, reply: Answer) -> None:
        if config.fault == "hang":
            await asyncio.sleep(_FOREVER)
        if config.latency:
            await asyncio.sleep(config.latency)
        if reply.status == 200 and reply.chunks is not None:
            await self._stream(config, reply.chunks(), reply.named)
        elif reply.status == 200 and config.fault == "cut":
            self._write(_CUT_BODY)
            self._abort(reset=False)
        elif reply.status == 200 and config.fault == "reset":
            self._abort(reset=True)
        elif reply.status == 200 and config.fault == "bad_json":
            self._send(200, b'{"id": "chatcmpl-broken", ')
        elif reply.status == 200 and config.fault == "empty_body":
            self._send(200, b"")
        else:
            self._plain(config, reply)

    def _plain(self, config: Config, reply: Answer) -> None:
        if reply.body is None:
            self._error(reply.status, reply.message, config.retry_after)
        else:
            self._send(200, _compact(reply.body()))

    def _admin(self, method: str, path: str, body: dict[str, Any]) -> None:
        found = admin(self.state, method, path, body)
        if found is None:
            self._error(404, "unknown administrative path")
        else:
            self._send(200, _compact(found))

    def _error(self, status: int, message: str | None, retry_after: str = "") -> None:
        extra = f"retry-after: {retry_after}\r\n" if retry_after else ""
        self._send(status, _compact(error_body(status, message)), extra)

    def _send(self, status: int, payload: bytes, extra: str = "") -> None:
        head = (
            f"HTTP/1.1 {status} {_REASONS.get(status, 'Demo')}\r\ncontent-type: application/json\r\n"
            f"x-request-id: {self.state.new_id('req')}\r\n{extra}content-length: {len(payload)}\r\n\r\n"
        )
        self._write(head.encode("latin-1") + payload)

    def _write(self, data: bytes) -> None:
        if self._closed or self._transport is None:
            raise Gone
        self._transport.write(data)

    def _abort(self, *, reset: bool) -> None:
        if self._transport is not None:
            sock = self._transport.get_extra_info("socket")
            if reset and sock is not None:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                self._transport.abort()
            else:
                self._transport.close()
        raise Gone

    async def _stream(self, config: Config, chunks: Iterator[dict[str, Any]], named: bool) -> None:
        self._write(_STREAM_HEAD + self.state.new_id("req").encode() + b"\r\n\r\n")
        for sent, chunk in enumerate(chunks):
            if config.fault in _STREAM_FAULTS and sent >= config.after_chunks:
                await self._strike(config, named)
                break
            await self._frame(config, _event(chunk, chunk["type"] if named else None))
            if config.odd == "keepalive":
                await self._frame(config, b": keep-alive\n\n")
            if config.chunk_delay or sent % 16 == 15:
                await asyncio.sleep(config.chunk_delay)
        if not named and config.fault not in {"no_done", "error_event"}:
            await self._frame(config, b"data: [DONE]\n\n")
        self._write(b"0\r\n\r\n")

    async def _strike(self, config: Config, named: bool) -> None:
        """The fault in the middle of a stream; returns only after an error event."""
        if config.fault == "stall":
            await asyncio.sleep(_FOREVER)
        if config.fault != "error_event":
            await asyncio.sleep(0.02)  # what was written reaches the client first
            self._abort(reset=config.fault == "reset")
        if named:
            await self._frame(config, _event({"type": "error", **_STREAM_ERROR}, "error"))
        else:
            await self._frame(config, _event({"error": {"type": "server_error", **_STREAM_ERROR}}, None))

    async def _frame(self, config: Config, data: bytes) -> None:
        if config.crlf:
            data = data.replace(b"\n", b"\r\n")
        size = config.piece or len(data)
        for start in range(0, len(data), size):
            piece = data[start : start + size]
            self._write(b"%x\r\n%s\r\n" % (len(piece), piece))
            if config.piece:
                await asyncio.sleep(0)


def _config(config: Config, headers: dict[str, str], body: dict[str, Any]) -> Config:
    """The options of one request; a model name loses its suffix."""
    over: dict[str, Any] = {}
    model = body.get("model")
    if isinstance(model, str) and ";" in model:
        body["model"], *pairs = model.split(";")
        over |= {name: value for name, _, value in (pair.partition("=") for pair in pairs) if name}
    if "x-demo" in headers:
        over.update(json.loads(headers["x-demo"]))
    return config.merged(over) if over else config


def _parsed(raw: bytes, headers: dict[str, str]) -> dict[str, Any]:
    """A JSON body; a form (image uploads) is not looked into."""
    if not raw or "multipart/form-data" in headers.get("content-type", ""):
        return {}
    body = json.loads(raw)
    if not isinstance(body, dict):
        raise ValueError("Demo: the body must be a JSON object.")  # noqa: TRY004 (becomes a 400)
    return body


def _event(value: dict[str, Any], name: str | None) -> bytes:
    head = b"" if name is None else b"event: " + name.encode() + b"\n"
    return head + b"data: " + _compact(value) + b"\n\n"


def _compact(value: Any) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()
