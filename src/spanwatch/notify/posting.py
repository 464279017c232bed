"""One POST: to the address that was checked, with TLS, without redirects and proxies, and with an end in time."""

from __future__ import annotations

import contextlib
import http.client
import json
import socket
import ssl
import time
from collections.abc import Iterable, Mapping
from typing import Any

from spanwatch.notify.addresses import DeliveryError, Resolve, Target, resolved, target_of

TIMEOUT_S = 10.0
MAX_ANSWER = 65_536
MAX_BODY = 1_048_576


def post_json(
    url: str,
    body: Any,
    *,
    headers: Mapping[str, str] | None = None,
    internal: Iterable[str] = (),
    timeout_s: float = TIMEOUT_S,
    context: ssl.SSLContext | None = None,
    resolve: Resolve | None = None,
) -> bytes:
    """Post a value as JSON; the beginning of the answer.

    Raises:
        DeliveryError: it did not arrive, or the answer is no 2xx; the text has no secret in it.
        ConfigurationError: the URL cannot be used.
    """
    encoded = body if isinstance(body, bytes) else json.dumps(body, ensure_ascii=True).encode()
    if len(encoded) > MAX_BODY:
        raise DeliveryError(f"the notification has {len(encoded):,} bytes, and {MAX_BODY:,} is the limit")
    allowed = tuple(internal)
    target = target_of(url, allowed)
    address = resolved(target, allowed, resolve)
    try:
        return _sent(target, address, encoded, dict(headers or {}), timeout_s=timeout_s, context=context)
    except (OSError, http.client.HTTPException, ssl.SSLError, ValueError) as error:
        raise DeliveryError(f"{target.host} could not be reached: {type(error).__name__}") from None


def _sent(
    target: Target,
    address: str,
    body: bytes,
    headers: dict[str, str],
    *,
    timeout_s: float,
    context: ssl.SSLContext | None,
) -> bytes:
    deadline = time.monotonic() + timeout_s
    connection = http.client.HTTPConnection(target.host, target.port, timeout=timeout_s)
    with contextlib.closing(connection):
        stream = socket.create_connection((address, target.port), timeout=timeout_s)
        if target.scheme == "https":
            stream.settimeout(max(0.1, deadline - time.monotonic()))
            stream = (context or ssl.create_default_context()).wrap_socket(stream, server_hostname=target.host)
        connection.sock = stream
        stream.settimeout(max(0.1, deadline - time.monotonic()))
        own = {"Host": target.authority, "Content-Type": "application/json", "User-Agent": "spanwatch"}
        connection.request("POST", target.path, body, {**own, **headers})
        answer = connection.getresponse()
        found = _begun(answer, stream, deadline)
    if not 200 <= answer.status < 300:
        raise DeliveryError(f"{target.host} answered {answer.status}")
    return found


def _begun(answer: http.client.HTTPResponse, stream: socket.socket, deadline: float) -> bytes:
    """The beginning of an answer, as far as it comes in time: its status is what counts."""
    found = b""
    while len(found) < MAX_ANSWER and time.monotonic() < deadline:
        with contextlib.suppress(OSError):
            stream.settimeout(max(0.1, deadline - time.monotonic()))
        try:
            part = answer.read1(MAX_ANSWER - len(found))
        except (OSError, http.client.HTTPException):
            break
        if not part:
            break
        found += part
    return found
