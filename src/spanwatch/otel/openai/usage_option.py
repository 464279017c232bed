"""`stream_options.include_usage`: asked for when the request says nothing about it, given up where it is refused."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from typing import Any

OPTIONS = "stream_options"
USAGE = "include_usage"
_REFUSED = frozenset({400, 422})
_REMEMBERED = 256


class Refusals:
    """The servers that refused the option, by base URL; the latest ones."""

    def __init__(self) -> None:
        self._urls: OrderedDict[str, None] = OrderedDict()

    def add(self, url: str) -> None:
        """Remember a server."""
        self._urls[url] = None
        if len(self._urls) > _REMEMBERED:
            self._urls.popitem(last=False)

    def __contains__(self, url: str) -> bool:
        return url in self._urls

    def __bool__(self) -> bool:
        return bool(self._urls)


def is_open(body: Mapping[str, Any]) -> bool:
    """Whether a request says nothing about usage, so that asking for it contradicts nobody."""
    options = body.get(OPTIONS)
    return options is None or (isinstance(options, Mapping) and options.get(USAGE) is None)


def with_usage(options: Any) -> Any:
    """A copy of the client's request options that asks for usage; what the application passed stays as it is."""
    asking = copied(options)
    extra = options.extra_json
    field = "extra_json" if isinstance(extra, Mapping) and OPTIONS in extra else "json_data"
    body = getattr(options, field)
    setattr(asking, field, {**body, OPTIONS: {**(body.get(OPTIONS) or {}), USAGE: True}})
    return asking


def copied(options: Any) -> Any:
    """A shallow copy of the client's request options, by whichever pydantic it was built on."""
    return options.model_copy() if hasattr(options, "model_copy") else options.copy()


def is_refusal(error: BaseException) -> bool:
    """Whether a server refused a request because of the option."""
    if getattr(error, "status_code", None) not in _REFUSED:
        return False
    said = f"{error} {getattr(error, 'body', None)}"
    return OPTIONS in said or USAGE in said
