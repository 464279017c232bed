"""Which answer belongs to which request."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from typing import Any

from demo.server.chat import chat_body, chat_chunks
from demo.server.plain import MODELS, completion_body, completion_chunks, embeddings_body, images_body
from demo.server.responses import responses_body, responses_events, settled
from demo.server.state import Exchange, State

Body = dict[str, Any]

ERRORS = {
    400: ("invalid_request_error", "invalid_value", "Demo: the request is malformed."),
    401: ("invalid_request_error", "invalid_api_key", "Demo: incorrect API key provided."),
    403: ("permission_error", "forbidden", "Demo: not allowed."),
    404: ("invalid_request_error", "model_not_found", "Demo: the model does not exist."),
    408: ("timeout", "request_timeout", "Demo: request timed out."),
    409: ("conflict_error", "conflict", "Demo: conflict."),
    422: ("invalid_request_error", "unprocessable", "Demo: unprocessable."),
    429: ("rate_limit_error", "rate_limit_exceeded", "Demo: rate limit reached."),
    500: ("server_error", "internal_error", "Demo: the server had an error."),
    503: ("server_error", "overloaded", "Demo: the engine is overloaded."),
}


@dataclass(frozen=True, slots=True)
class Answer:
    """What to send: an error, a JSON body, or a stream of chunks (with event names when `named`)."""

    status: int = 200
    body: Callable[[], Body] | None = None
    chunks: Callable[[], Iterator[Body]] | None = None
    named: bool = False
    message: str | None = None


_CREATORS: dict[str, tuple[Callable[[Exchange], Body], Callable[[Exchange], Iterator[Body]] | None]] = {
    "/v1/chat/completions": (chat_body, chat_chunks),
    "/v1/completions": (completion_body, completion_chunks),
    "/v1/embeddings": (embeddings_body, None),
    "/v1/images/generations": (images_body, None),
    "/v1/images/edits": (images_body, None),
}


def answer(state: State, exchange: Exchange, method: str, path: str, query: str) -> Answer:
    """The answer to a request that is not administrative; counts it for `fail_first`."""
    status = _status(state, exchange, path)
    if status != 200:
        return Answer(status, message=_rejection(exchange))
    if method == "POST" and path == "/v1/responses":
        if exchange.body.get("stream"):
            return Answer(chunks=lambda: _kept_events(state, responses_events(exchange)), named=True)
        return Answer(body=lambda: _kept(state, responses_body(exchange)))
    if path.startswith("/v1/responses/"):
        return _remembered(state, exchange, path, query)
    if method == "GET" and path == "/v1/models":
        return Answer(body=lambda: MODELS)
    creators = _CREATORS.get(path) if method == "POST" else None
    if creators is None:
        return Answer(404, message=f"Demo: no route for {method} {path}")
    whole, streamed = creators
    if streamed is not None and exchange.body.get("stream"):
        return Answer(chunks=lambda: streamed(exchange))
    return Answer(body=lambda: whole(exchange))


def error_body(status: int, message: str | None) -> Body:
    """An error in OpenAI's shape."""
    kind, code, text = ERRORS.get(status, ("server_error", "demo_error", f"Demo: error {status}."))
    return {"error": {"message": message or text, "type": kind, "param": None, "code": code}}


def admin(state: State, method: str, path: str, body: Body) -> Body | None:
    """The answer to `/__stats`, `/__reset` or `/__config`, or None for any other path."""
    if path == "/__stats":
        return state.stats()
    if path == "/__reset":
        state.reset()
        return {"ok": True}
    if path == "/__config":
        if method == "POST":
            state.config = state.config.merged(body)
        return asdict(state.config)
    return None


def _status(state: State, exchange: Exchange, path: str) -> int:
    config = exchange.config
    if config.reject_stream_options and "stream_options" in exchange.body:
        return config.reject_stream_options
    if config.fail_first and config.status != 200:
        if state.failures[path] >= config.fail_first:
            return 200
        state.failures[path] += 1
    return config.status


def _rejection(exchange: Exchange) -> str | None:
    if exchange.config.reject_stream_options and "stream_options" in exchange.body:
        return "Unrecognized request argument supplied: stream_options"
    return None


def _kept(state: State, response: Body) -> Body:
    if state.config.keep_responses:
        state.keep(response)
    return response


def _kept_events(state: State, events: Iterator[Body]) -> Iterator[Body]:
    for event in events:
        if event["type"] in {"response.completed", "response.incomplete", "response.failed"}:
            _kept(state, event["response"])
        yield event


def _remembered(state: State, exchange: Exchange, path: str, query: str) -> Answer:
    """`GET /v1/responses/{id}`, plain or as a stream that goes on after an event, and `POST .../cancel`."""
    found = state.responses.get(path.split("/")[3])
    if found is None:
        return Answer(404, message="Demo: no such response.")
    if path.endswith("/cancel"):
        return Answer(body=lambda: {**found, "status": "cancelled"})
    ended = _kept(state, settled(exchange, found))
    if "stream=true" not in query:
        return Answer(body=lambda: ended)
    events: list[Body] = [
        {"type": "response.in_progress", "sequence_number": 0, "response": found},
        {"type": f"response.{ended['status']}", "sequence_number": 1, "response": ended},
    ]
    after = int(query.partition("starting_after=")[2].partition("&")[0] or -1)
    return Answer(chunks=lambda: (event for event in events if event["sequence_number"] > after), named=True)
