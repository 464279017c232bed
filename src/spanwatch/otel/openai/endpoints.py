"""Which requests of the client are model calls, and how their answers are shaped."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto

from spanwatch.core import names


class Shape(Enum):
    """How an answer is laid out."""

    CHAT = auto()  # choices with messages, or deltas of them; text completions are the same with text
    RESPONSE = auto()  # a response object, or events around one
    EMBEDDINGS = auto()
    IMAGES = auto()


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A covered endpoint: the operation of the convention, OpenAI's name of the API, and what it can do.

    `usage_option` says whether a stream gives its usage only to who sets `stream_options.include_usage`.
    """

    operation: str
    shape: Shape
    api: str | None = None
    usage_option: bool = False
    output: str | None = None


_CHAT = "chat_completions"
_RESPONSES = "responses"
_CREATED: dict[str, Endpoint] = {
    "/chat/completions": Endpoint(names.CHAT, Shape.CHAT, _CHAT, usage_option=True),
    "/completions": Endpoint(names.TEXT_COMPLETION, Shape.CHAT, usage_option=True),
    "/responses": Endpoint(names.CHAT, Shape.RESPONSE, _RESPONSES),
    "/responses/compact": Endpoint(names.CHAT, Shape.RESPONSE, _RESPONSES),
    "/embeddings": Endpoint(names.EMBEDDINGS, Shape.EMBEDDINGS),
    "/images/generations": Endpoint(names.GENERATE_CONTENT, Shape.IMAGES, output="image"),
    "/images/edits": Endpoint(names.GENERATE_CONTENT, Shape.IMAGES, output="image"),
    "/images/variations": Endpoint(names.GENERATE_CONTENT, Shape.IMAGES, output="image"),
}
_FETCHED = Endpoint(names.FETCH_RESPONSE, Shape.RESPONSE, _RESPONSES)
_FETCH_PREFIX = "/responses/"


def endpoint_of(method: str, url: str) -> tuple[Endpoint, str | None] | None:
    """The endpoint of a request and, where one is fetched, the id of the response; None for any other request."""
    path = url.partition("?")[0]
    if method in {"post", "POST"}:
        created = _CREATED.get(path)
        return None if created is None else (created, None)
    if method in {"get", "GET"} and path.startswith(_FETCH_PREFIX):
        response_id = path[len(_FETCH_PREFIX) :]
        return (_FETCHED, response_id) if response_id and "/" not in response_id else None
    return None
