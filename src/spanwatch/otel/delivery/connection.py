"""One kept-alive HTTP/1.1 connection: bounded in time and in what it reads, and it follows no redirect."""

from __future__ import annotations

import contextlib
import gzip
import http.client
import select
import socket
import ssl
import time
import zlib
from dataclasses import dataclass

from spanwatch.otel.delivery.endpoint import Endpoint, tls_of

MAX_ANSWER = 4 * 1024 * 1024
_PIECE = 65_536
_LEVEL = 3  # of compression: a third of the time of 6 for some hundredths of the size


@dataclass(frozen=True, slots=True)
class Answer:
    """What a collector answered. `whole` is whether its body was read to the end, within 4 MiB; else it is empty."""

    status: int
    kind: str = ""
    body: bytes = b""
    whole: bool = True
    retry_after: str | None = None
    location: str | None = None


class UnansweredError(Exception):
    """The request went out whole and no answer came: the collector may have it."""


class Connection:
    """Posts requests, one at a time; `abort` may be called from another thread."""

    def __init__(self, endpoint: Endpoint) -> None:
        self._endpoint = endpoint
        self._http: http.client.HTTPConnection | None = None
        self._tls: ssl.SSLContext | None = None
        self._aborted = False

    def post(self, message: bytes) -> Answer:
        """Send one request and read its answer.

        Raises:
            UnansweredError: it was sent, and the connection broke or time ran out before an answer was there.
            OSError, http.client.HTTPException, ValueError: it was not sent.
        """
        endpoint = self._endpoint
        body, headers = self._encoded(message)
        connection = self._connected()
        try:
            connection.request("POST", self._target(), body, headers)
        except BaseException:
            self.close()
            raise
        try:
            return self._read(connection, time.monotonic() + endpoint.timeout_s)
        except (OSError, http.client.HTTPException, ValueError, zlib.error) as error:
            self.close()
            raise UnansweredError(type(error).__name__) from error
        except BaseException:
            self.close()
            raise

    def abort(self) -> None:
        """Break off what is under way, and connect no more."""
        self._aborted = True
        found = self._http
        if found is not None and found.sock is not None:
            with contextlib.suppress(OSError):
                found.sock.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Hang up; the next request connects anew."""
        found, self._http = self._http, None
        if found is not None:
            with contextlib.suppress(OSError):
                found.close()

    def forget(self) -> None:
        """In a forked child: let go of the parent's connection without a word to the other side."""
        found, self._http = self._http, None
        sock = None if found is None else found.sock
        if sock is not None:
            with contextlib.suppress(OSError):
                socket.close(sock.detach())

    def _connected(self) -> http.client.HTTPConnection:
        if self._aborted:
            raise OSError("the connection was given up")
        if self._http is not None and not _is_fresh(self._http):
            self.close()
        return self._http or self._opened()

    def _opened(self) -> http.client.HTTPConnection:
        endpoint = self._endpoint
        host, port = endpoint.proxy or (endpoint.host, endpoint.port)
        made = http.client.HTTPConnection(host, port, timeout=endpoint.timeout_s)
        made.auto_open = 0  # it would connect anew by itself, and without TLS
        if endpoint.secure:
            made.default_port = http.client.HTTPS_PORT
            if endpoint.proxy is not None:
                made.set_tunnel(endpoint.host, endpoint.port)
        self._http = made  # from now on, so that `abort` reaches what is under way
        try:
            made.connect()
            if endpoint.secure:
                self._shake_hands(made)
        except BaseException:
            self.close()
            raise
        if made.sock is not None:
            made.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return made

    def _shake_hands(self, made: http.client.HTTPConnection) -> None:
        """Not in `wrap_socket`, which keeps the socket to itself meanwhile: nobody could break it off."""
        secured = self._context().wrap_socket(
            made.sock, server_hostname=self._endpoint.host, do_handshake_on_connect=False
        )
        made.sock = secured
        secured.do_handshake()

    def _context(self) -> ssl.SSLContext:
        if self._tls is None:
            self._tls = tls_of(self._endpoint)
        return self._tls

    def _target(self) -> str:
        endpoint = self._endpoint
        if endpoint.proxy is None or endpoint.secure:
            return endpoint.path
        return f"http://{endpoint.host}:{endpoint.port}{endpoint.path}"

    def _encoded(self, message: bytes) -> tuple[bytes, dict[str, str]]:
        headers = dict(self._endpoint.headers)
        match self._endpoint.compression:
            case "gzip":
                return gzip.compress(message, _LEVEL), {**headers, "content-encoding": "gzip"}
            case "deflate":
                return zlib.compress(message, _LEVEL), {**headers, "content-encoding": "deflate"}
            case _:
                return message, headers

    def _read(self, connection: http.client.HTTPConnection, deadline: float) -> Answer:
        response = connection.getresponse()
        with contextlib.closing(response):
            body, whole = _bounded(response, deadline)
        if not whole or response.will_close:
            self.close()
        coding = (response.getheader("content-encoding") or "").strip().lower()
        if body and coding in {"gzip", "deflate"}:
            body, whole = _inflated(body, whole=whole)
        return Answer(
            response.status,
            (response.getheader("content-type") or "").partition(";")[0].strip().lower(),
            body,
            whole,
            response.getheader("retry-after"),
            response.getheader("location"),
        )


def _is_fresh(connection: http.client.HTTPConnection) -> bool:
    """Whether a connection that was idle is still open: nothing, not even its end, waits to be read."""
    sock = connection.sock
    if sock is None:
        return False
    try:
        readable, _, _ = select.select([sock], [], [], 0)
    except (OSError, ValueError):
        return False
    return not readable


def _bounded(response: http.client.HTTPResponse, deadline: float) -> tuple[bytes, bool]:
    """A body of at most MAX_ANSWER bytes, of which no more is read, and whether that was all; nothing of a longer one.

    Raises:
        OSError, http.client.HTTPException: it was cut short, or took too long.
    """
    pieces: list[bytes] = []
    size = 0
    while size < MAX_ANSWER:
        piece = response.read1(min(_PIECE, MAX_ANSWER - size))
        if not piece:
            if response.length:
                raise http.client.IncompleteRead(b"".join(pieces), response.length)
            return b"".join(pieces), True
        pieces.append(piece)
        size += len(piece)
        if time.monotonic() > deadline:
            raise TimeoutError
    return b"", False


def _inflated(body: bytes, *, whole: bool) -> tuple[bytes, bool]:
    """A compressed body of at most MAX_ANSWER bytes; nothing of a longer one.

    Raises:
        zlib.error: it is not what it says.
    """
    machine, left = zlib.decompressobj(zlib.MAX_WBITS | 32), body
    pieces: list[bytes] = []
    size = 0
    while not machine.eof and size < MAX_ANSWER:  # a bomb is never put together
        piece = machine.decompress(left, _PIECE)
        left = machine.unconsumed_tail
        if not (piece or left):
            break
        pieces.append(piece)
        size += len(piece)
    return (b"".join(pieces), True) if whole and machine.eof else (b"", False)
