"""The HTTP doors for front ends: feedback_app(), an ASGI application, and feedback_wsgi(), the same for WSGI."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping, MutableMapping, Sequence
from http import HTTPStatus
from typing import Any

from spanwatch.otel.feedback.gate import MAX_BYTES, Answer, Gate, rules_from

BODY_S = 10.0  # how long a body may take to come
RATE = "30/1m"

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
AsgiApp = Callable[[Scope, Receive, Send], Awaitable[None]]
WsgiApp = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]


def feedback_app(
    *,
    origins: Sequence[str] = (),
    rate: str = RATE,
    max_bytes: int = MAX_BYTES,
    client: Callable[[Scope], str] | None = None,
) -> AsgiApp:
    """An ASGI application that takes feedback: POST of JSON with `token` and `rating`, `score` or `label`, `comment`.

    Mount it (`app.mount("/feedback", spanwatch.feedback_app(origins=["https://app.example.com"]))`) or serve it alone.
    It answers 201 (recorded), 409 (rated already), 403 and 410 (token not valid, expired), 422, 429 and the like.

    Args:
        origins: Whose pages may call it besides its own host's, as `https://host`; `*` is any.
        rate: How often one client may.
        max_bytes: How large a request may be.
        client: Who asks, told from the ASGI scope; by default the peer's address. Behind a proxy, give what the proxy
            says and nobody else can.

    Raises:
        TypeError, ValueError: an argument cannot be.
    """
    gate = Gate(rules_from(origins, rate, max_bytes))

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            await _send(send, await _http(gate, scope, receive, client))
        elif scope["type"] == "lifespan":
            await _lifespan(receive, send)
        elif scope["type"] == "websocket":
            await receive()
            await send({"type": "websocket.close", "code": 1003})

    return app


def feedback_wsgi(
    *,
    origins: Sequence[str] = (),
    rate: str = RATE,
    max_bytes: int = MAX_BYTES,
    client: Callable[[Mapping[str, Any]], str] | None = None,
) -> WsgiApp:
    """The same as `feedback_app()` for WSGI servers; `client` is told from the WSGI environment.

    Raises:
        TypeError, ValueError: an argument cannot be.
    """
    gate = Gate(rules_from(origins, rate, max_bytes))

    def app(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        headers = {key[5:].lower().replace("_", "-"): str(v) for key, v in environ.items() if key.startswith("HTTP_")}
        headers["content-type"] = str(environ.get("CONTENT_TYPE") or "")
        headers["content-length"] = str(environ.get("CONTENT_LENGTH") or "0")
        who = client(environ) if client is not None else str(environ.get("REMOTE_ADDR", ""))
        found = gate.refused(str(environ.get("REQUEST_METHOD", "")), headers, who)
        if found is None:
            found = gate.answer(headers, environ["wsgi.input"].read(int(headers["content-length"])))
        status = HTTPStatus(found.status)
        length = [] if status == HTTPStatus.NO_CONTENT else [("content-length", str(len(found.body)))]
        start_response(f"{status.value} {status.phrase}", [*found.headers, *length])
        return [found.body]

    return app


async def _http(gate: Gate, scope: Scope, receive: Receive, client: Callable[[Scope], str] | None) -> Answer:
    headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}
    peer = scope.get("client")
    who = client(scope) if client is not None else str(peer[0]) if peer else ""
    refused = gate.refused(scope["method"], headers, who)
    if refused is not None:
        return refused
    try:
        body = await asyncio.wait_for(_body(receive, gate.rules.max_bytes), BODY_S)
    except TimeoutError:
        return gate.too_slow(headers)
    if body is None:
        return gate.too_large(headers)
    return await asyncio.to_thread(gate.answer, headers, body)


async def _body(receive: Receive, most: int) -> bytes | None:
    """The body, or None when it is larger than it may be, whatever its length was said to be."""
    found = bytearray()
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return bytes(found)
        found += message.get("body", b"")
        if len(found) > most:
            return None
        if not message.get("more_body", False):
            return bytes(found)


async def _send(send: Send, answer: Answer) -> None:
    headers = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in answer.headers]
    if answer.status != HTTPStatus.NO_CONTENT:
        headers.append((b"content-length", str(len(answer.body)).encode("ascii")))
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    await send({"type": "http.response.body", "body": answer.body})


async def _lifespan(receive: Receive, send: Send) -> None:
    while True:
        message = await receive()
        await send({"type": f"{message['type']}.complete"})
        if message["type"] == "lifespan.shutdown":
            return
