"""The HTTP door for those who scrape: `/metrics` and `/healthz`, on loopback unless told otherwise.

It serves the samples of all processes that share the home, each with its `process_pid`. One of them has the port; when
that one ends, another takes it over.
"""

from __future__ import annotations

import ipaddress
import json
import os
import socket
import sys
import threading
import time
from collections.abc import Callable
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from spanwatch.core.health import Health, HealthState, Thresholds, as_json
from spanwatch.core.names import METRICS
from spanwatch.core.series import SECOND_NS, STALE_NS
from spanwatch.core.windows import Window
from spanwatch.otel.exposition import exposed
from spanwatch.otel.guard import Guard, say
from spanwatch.otel.live.live import Live

AT_ONCE = 8
REQUEST_S = 5.0
HEALTH_WINDOW_S = 300.0
_LOCAL_NAMES = frozenset({"localhost", "localhost.localdomain"})
_Answer = tuple[HTTPStatus, str, bytes]


class Door:
    """Answers `/metrics` and `/healthz` on `host` and `port`; port 0 is a free one.

    At most `AT_ONCE` requests are answered at once and each has `REQUEST_S`; further ones are closed unanswered. On a
    loopback address only requests that name this machine in `Host` are answered, so that no web page reaches it by DNS
    rebinding.
    """

    def __init__(self, live: Live, thresholds: Thresholds, guard: Guard, *, host: str, port: int) -> None:
        self._live, self._thresholds, self._guard = live, thresholds, guard
        self.host, self.port = host, port
        self._server: _Server | None = None
        self._thread: threading.Thread | None = None
        self._said = self._closed = False
        self._lock = threading.Lock()

    @property
    def url(self) -> str | None:
        """Where it answers; None while it does not."""
        if self._server is None:
            return None
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{host}:{self._server.server_address[1]}"

    def ensure(self) -> None:
        """Open it unless it is open; that the port cannot be had is said once, and tried again next time."""
        with self._lock:
            if self._server is None and not self._closed:
                self._open()

    def close(self, timeout: float = REQUEST_S) -> None:
        """Close it, within about `timeout` seconds; answers under way end by themselves."""
        with self._lock:
            self._closed = True
            server, thread, self._server = self._server, self._thread, None
        if server is not None:
            server.shutdown()
            server.server_close()
        if thread is not None:
            thread.join(timeout)

    def after_fork(self) -> None:
        """In a forked child: let go of the parent's socket."""
        self._lock = threading.Lock()  # the parent's may be held for ever
        self._said = True  # that the port is taken is no news: the parent has it
        server, self._server, self._thread = self._server, None, None
        if server is not None:
            server.server_close()

    def _open(self) -> None:
        try:
            server = _Server(self.host, self.port, self._answer, self._guard)
        except OSError as error:
            if not self._said:
                self._said = True
                say(
                    "/metrics is not served by this process: %s port %d: %s; it is tried again",
                    self.host,
                    self.port,
                    error.strerror or type(error).__qualname__,
                )
            return
        thread = threading.Thread(
            target=server.serve_forever, kwargs={"poll_interval": 0.1}, name="spanwatch-scrape", daemon=True
        )
        try:
            thread.start()
        except RuntimeError:  # from Python 3.12 on, while the interpreter shuts down: `close` would wait for ever
            server.server_close()
        else:
            self._server, self._thread = server, thread

    def _answer(self, path: str, accept: str) -> _Answer:
        if path == "/metrics":
            text, content_type = self._metrics(accept)
            return HTTPStatus.OK, content_type, text
        if path == "/healthz":
            found = self._live.health(HEALTH_WINDOW_S, self._thresholds)
            return _status(found), "application/json", json.dumps(as_json(found)).encode()
        return HTTPStatus.NOT_FOUND, "text/plain; charset=utf-8", b"there are /metrics and /healthz\n"

    def _metrics(self, accept: str) -> tuple[bytes, str]:
        self._live.refresh()
        now = time.time_ns()
        series = self._live.find(None, Window(now - STALE_NS, now + SECOND_NS))
        texts = {metric.name: metric.description for metric in METRICS}
        return exposed(series, {**self._live.descriptions, **texts}, accept)


def _status(found: Health) -> HTTPStatus:
    return HTTPStatus.SERVICE_UNAVAILABLE if found.state is HealthState.UNHEALTHY else HTTPStatus.OK


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def __init__(self, host: str, port: int, answer: Callable[[str, str], _Answer], guard: Guard) -> None:
        self.address_family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self.answer, self.guard, self.pid = answer, guard, os.getpid()
        self.checks_host = is_loopback(host)
        self._room = threading.BoundedSemaphore(AT_ONCE)
        super().__init__((host, port), _Handler)

    def process_request(self, request: Any, client_address: Any) -> None:
        """Answer on a thread of its own, where there is room."""
        if self._room.acquire(blocking=False):
            super().process_request(request, client_address)
        else:
            self.shutdown_request(request)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """See `socketserver.ThreadingMixIn`."""
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._room.release()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Nothing on stderr: a peer that went away is no news."""

    def server_bind(self) -> None:
        """Bind without asking DNS for the machine's name, as `http.server` would."""
        if sys.platform == "win32":  # its SO_REUSEADDR lets several processes have the port at once
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_EXCLUSIVEADDRUSE, 1)
        else:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.bind(self.server_address)
        self.server_address = self.socket.getsockname()
        self.server_name, self.server_port = str(self.server_address[0]), int(self.server_address[1])


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    server_version, sys_version = "spanwatch", ""
    timeout = REQUEST_S

    def do_GET(self) -> None:
        """Answer."""
        if self.server.checks_host and not names_this_machine(self.headers.get("Host", "")):
            told: _Answer | None = (HTTPStatus.MISDIRECTED_REQUEST, "text/plain; charset=utf-8", b"wrong Host\n")
        else:
            path, accept = self.path.partition("?")[0], self.headers.get("Accept", "")
            told = self.server.guard.run("answering a scrape", self.server.answer, path, accept)
        if told is None:
            told = (HTTPStatus.INTERNAL_SERVER_ERROR, "text/plain; charset=utf-8", b"it failed; see the log\n")
        status, content_type, body = told
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    do_HEAD = do_GET  # noqa: N815 (the standard library's name)

    def log_message(self, *_arguments: Any) -> None:
        """Nothing: scrapes are no news."""


def is_loopback(host: str) -> bool:
    """Whether an address is reached from this machine only."""
    if host.lower() in _LOCAL_NAMES:
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def names_this_machine(host: str) -> bool:
    """Whether a `Host` header names a loopback address, with or without a port."""
    name = host.strip().lower()
    if name.startswith("["):
        name = name[1:].partition("]")[0]
    elif name.count(":") == 1:
        name = name.partition(":")[0]
    return is_loopback(name)
