"""Values of attributes, checked: what is no count, text or name is unknown and never guessed."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from decimal import Decimal
from functools import lru_cache
from typing import Any
from urllib.parse import urlsplit

from spanwatch.core.money import to_nano

Attributes = Mapping[str, Any]
Fields = dict[str, Any]  # fields of Call, and units of Usage
Row = tuple[str, str, Callable[[Any], Any]]  # field, attribute, conversion
Table = tuple[Row, ...]
MOST = 1 << 62  # a count beyond it is damage, and no database column holds it
_LONGEST_JSON = 65_536  # characters of an attribute that is read as JSON
_LONGEST_URL = 1_024


def read(attributes: Attributes, table: Table) -> Fields:
    """The fields of a table that the attributes state, each by the first attribute that states it."""
    found: Fields = {}
    for field, attribute, convert in table:
        value = attributes.get(attribute)
        if value is not None and field not in found:
            value = convert(value)
            if value is not None:
                found[field] = value
    return found


def text(value: Any) -> str | None:
    """A text that is not empty."""
    if type(value) is str:
        return value or None
    return str(value) if isinstance(value, str) and value else None


def texts(value: Any) -> tuple[str, ...] | None:
    """A text or a list of texts; JSON of such a list too."""
    if isinstance(value, str):
        listed = _listed(value) if value.startswith("[") else None
        return listed or ((value,) if value else None)
    if isinstance(value, (list, tuple)):
        return tuple(item for item in value if isinstance(item, str)) or None
    return None


def _listed(value: str) -> tuple[str, ...] | None:
    try:
        return texts(json.loads(value)) if len(value) < _LONGEST_JSON else None
    except (ValueError, RecursionError):
        return None


def count(value: Any) -> int | None:
    """A whole number of tokens; booleans, text, fractions, NaN and negatives are unknown."""
    if type(value) is int:
        return value if 0 <= value < MOST else None
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    if not 0 <= value < MOST or value != int(value):
        return None
    return int(value)


def port(value: Any) -> int | None:
    """A TCP port."""
    known = count(value)
    return known if known is not None and known < 65_536 else None


def seconds(value: Any) -> float | None:
    """A duration that is not negative."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    return float(value) if 0 <= value < MOST else None


def milliseconds(value: Any) -> float | None:
    """A duration in milliseconds, as seconds."""
    known = seconds(value)
    return None if known is None else known / 1000


def flag(value: Any) -> bool | None:
    """A boolean."""
    return value if isinstance(value, bool) else None


def provider(value: Any) -> str | None:
    """A provider by its current name."""
    known = text(value)
    return None if known is None else provider_name(known)


def dollars(value: Any) -> int | None:
    """An amount of dollars, as nano-USD."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value < 1e9:
        return None
    return to_nano(Decimal(str(value)))


def document(value: Any) -> Mapping[str, Any]:
    """An attribute that is an object, or the JSON of one; nothing where it is neither, or too long to be settings."""
    if isinstance(value, Mapping):
        return value
    if not isinstance(value, str) or len(value) > _LONGEST_JSON or not value.startswith("{"):
        return {}
    try:
        found = json.loads(value)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, Mapping) else {}


def server(url: str) -> Fields:
    """Address and port of a base URL; of one that nobody would remember nothing."""
    return dict(_server(url)) if len(url) <= _LONGEST_URL else {}


@lru_cache(256)
def _server(url: str) -> Fields:
    try:
        parts = urlsplit(url)
        host, number = parts.hostname, parts.port
    except ValueError:
        return {}
    found: Fields = {} if host is None else {"server_address": host}
    if host is not None and (number is not None or parts.scheme in _PORTS):
        found["server_port"] = number or _PORTS[parts.scheme]
    return found


def provider_name(stated: str) -> str:
    """A provider by its current name; names nobody knows stay as they are, in lower case."""
    name = stated.strip().lower()
    return _PROVIDERS.get(name, name)


_PORTS = {"http": 80, "https": 443}
_PROVIDERS = {
    "xai": "x_ai",
    "az.ai.openai": "azure.ai.openai",
    "azure": "azure.ai.openai",
    "az.ai.inference": "azure.ai.inference",
    "vertex_ai": "gcp.vertex_ai",
    "vertexai": "gcp.vertex_ai",
    "gemini": "gcp.gemini",
    "google": "gcp.gen_ai",
    "aws": "aws.bedrock",
    "aws_bedrock": "aws.bedrock",
    "bedrock": "aws.bedrock",
    "bedrock_converse": "aws.bedrock",
    "amazon_bedrock": "aws.bedrock",
    "mistral": "mistral_ai",
    "mistralai": "mistral_ai",
    "perplexity_ai": "perplexity",
    "moonshot": "moonshot_ai",
    "openai.chat": "openai",  # the AI SDK names the model's class too
    "openai.responses": "openai",
    "openai.embedding": "openai",
    "anthropic.messages": "anthropic",
    "google.generative-ai": "gcp.gemini",
    "google.vertex.chat": "gcp.vertex_ai",
    "amazon-bedrock": "aws.bedrock",
}
