"""A server that answers with bytes as they were recorded, and keeps the bytes that it was sent."""

from __future__ import annotations

import json
import socket
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

RECORDED = Path(__file__).parent / "recorded"


@dataclass(frozen=True)
class Reply:
    """One answer: its body, in pieces of `piece` bytes, after a head that states `kind` and `status`."""

    body: bytes
    status: int = 200
    kind: str = "application/json"
    piece: int = 0
    more: str = ""  # further header lines

    def raw(self) -> bytes:
        framing = "transfer-encoding: chunked" if "stream" in self.kind else f"content-length: {len(self.body)}"
        head = f"HTTP/1.1 {self.status} Recorded\r\ncontent-type: {self.kind}\r\n{self.more}connection: close\r\n"
        return f"{head}{framing}\r\n\r\n".encode() + (self._chunked() if "stream" in self.kind else self.body)

    def _chunked(self) -> bytes:
        size = self.piece or len(self.body) or 1
        pieces = [self.body[start : start + size] for start in range(0, len(self.body), size)]
        return b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in [*pieces, b""])


def recorded(name: str, *, asked: bool = True, piece: int = 0) -> Reply:
    """A recording: a JSON body, or a stream as the server gives it to who asked for usage and who did not."""
    body = (RECORDED / name).read_bytes()
    if name.endswith(".json"):
        return Reply(body)
    return Reply(body if asked else _unasked(body), kind="text/event-stream", piece=piece)


def _unasked(body: bytes) -> bytes:
    events = body.removesuffix(b"\n\n").split(b"\n\n")
    return b"".join(event.replace(b',"usage":null', b"") + b"\n\n" for event in events if not _only_usage(event))


def _only_usage(event: bytes) -> bool:
    payload = event.removeprefix(b"data: ")
    return payload.startswith(b"{") and json.loads(payload).get("choices") == [] and b'"usage":{' in payload


@dataclass
class Replay:
    """Answers every request with `reply`, a recording's name or an answer of its own."""

    reply: str | Reply = ""
    piece: int = 0
    requests: list[bytes] = field(default_factory=list)

    def __enter__(self) -> Self:
        self._socket = socket.create_server(("127.0.0.1", 0))
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        with socket.create_connection(self._socket.getsockname()) as last:
            last.sendall(b"END")
            self._thread.join(5)
        self._socket.close()

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self._socket.getsockname()[1]}/v1"

    def _serve(self) -> None:
        while True:
            connection, _ = self._socket.accept()
            with connection:
                request = _read(connection)
                if request == b"END":
                    return
                if request:
                    self.requests.append(request)
                    connection.sendall(self._answer(request).raw())

    def _answer(self, request: bytes) -> Reply:
        if isinstance(self.reply, Reply):
            return self.reply
        return recorded(self.reply, asked=b'"include_usage":true' in request, piece=self.piece)


def _read(connection: socket.socket) -> bytes:
    request = b""
    while b"\r\n\r\n" not in request:
        more = connection.recv(65_536)
        if not more or more == b"END":
            return more
        request += more
    head, _, body = request.partition(b"\r\n\r\n")
    sizes = [line[15:] for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")]
    while len(body) < int(sizes[0] if sizes else 0):
        body += connection.recv(65_536)
    return head + b"\r\n\r\n" + body
