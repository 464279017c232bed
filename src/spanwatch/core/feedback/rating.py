"""Rating: what somebody said of a piece of work, validated and bounded, on one scale from 1 to 5."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from decimal import Decimal
from types import MappingProxyType
from typing import Any, Literal, cast

from spanwatch.core.redact import redact

LOWEST, HIGHEST = 1.0, 5.0
MAX_COMMENT = 8_192  # characters of a comment that are kept
MAX_ID = 256  # characters of an id that the application gives
MAX_TAGS = 16
MAX_TAG = 64
LOW = 2.0  # a rating at or below it is low, unless the caller says otherwise

Kind = Literal["rating", "score", "label"]

# Labels with a place on the scale. Others are counted, and are in no average.
LABELS: Mapping[str, float] = MappingProxyType(
    {
        **dict.fromkeys(("up", "thumbs_up", "good", "positive", "like", "yes", "helpful", "resolved"), HIGHEST),
        **dict.fromkeys(("neutral", "okay"), (LOWEST + HIGHEST) / 2),
        **dict.fromkeys(("down", "thumbs_down", "bad", "negative", "dislike", "no", "unhelpful", "unresolved"), LOWEST),
    }
)
_LABEL = re.compile(r"[a-z][a-z0-9_]{0,31}")
_SIGNS = {"\N{THUMBS UP SIGN}": "up", "\N{THUMBS DOWN SIGN}": "down"}


@dataclass(frozen=True, slots=True)
class Target:
    """What is rated, as far as it is known; what is not known is looked up in the store when it is read.

    Ids of traces and spans are lower-case hex. `reference` is an id of the application's: of a response, an
    interaction or a conversation.
    """

    trace_id: str | None = None
    span_id: str | None = None
    sampled: bool = True
    reference: str | None = None
    user_id: str | None = None
    conversation_id: str | None = None
    agent: str | None = None
    model: str | None = None
    app_version: str | None = None
    prompt: str | None = None


@dataclass(frozen=True, slots=True)
class Given:
    """A judgement: `rating` is on the scale from 1 to 5, None for a label without a place there."""

    kind: Kind
    rating: float | None
    label: str

    @property
    def score(self) -> float | None:
        """The rating as a number from 0 to 1."""
        return None if self.rating is None else score_of(self.rating)


@dataclass(frozen=True, slots=True)
class Rating:
    """One piece of feedback. `at_ns` is UNIX nanoseconds on the clock of whoever took it in."""

    id: str
    at_ns: int
    kind: Kind
    rating: float | None
    label: str
    comment: str | None = None
    tags: tuple[str, ...] = ()
    trace_id: str | None = None
    span_id: str | None = None
    reference: str | None = None
    user_id: str | None = None
    conversation_id: str | None = None
    agent: str | None = None
    model: str | None = None
    app_version: str | None = None
    prompt: str | None = None

    @property
    def score(self) -> float | None:
        """The rating as a number from 0 to 1."""
        return None if self.rating is None else score_of(self.rating)

    def is_low(self, threshold: float = LOW) -> bool:
        """Whether it is at or below a threshold."""
        return self.rating is not None and self.rating <= threshold


def score_of(rating: float) -> float:
    """A rating from 1 to 5 as a number from 0 to 1."""
    return (rating - LOWEST) / (HIGHEST - LOWEST)


def judgement(rating: object = None, score: object = None, label: object = None) -> Given:
    """Exactly one of a rating from 1 to 5, a score from 0 to 1 and a label, as a judgement.

    Raises:
        TypeError: it is of a wrong type.
        ValueError: none or more than one is given, or it is out of range.
    """
    said = [name for name, value in (("rating", rating), ("score", score), ("label", label)) if value is not None]
    if len(said) != 1:
        what = f"not {' and '.join(said)} together" if said else "none was given"
        raise ValueError(f"feedback takes exactly one of rating=1..5, score=0.0..1.0 and label='up'; {what}")
    if rating is not None:
        value = _number("rating", rating, LOWEST, HIGHEST)
        return Given("rating", value, star(value))
    if score is not None:
        value = LOWEST + _number("score", score, 0.0, 1.0) * (HIGHEST - LOWEST)
        return Given("score", value, star(value))
    word = _label(label)
    return Given("label", LABELS.get(word), word)


def star(rating: float) -> str:
    """The whole number on the scale next to a rating, halves up: the label under which it is counted."""
    return str(math.floor(rating + 0.5))


def comment_of(comment: object) -> str | None:
    """A comment as it may be kept: without secrets, at most MAX_COMMENT characters; an empty one is none.

    Raises:
        TypeError: it is no text.
    """
    if comment is None:
        return None
    if not isinstance(comment, str):
        raise TypeError(f"comment must be a text, not {type(comment).__name__}")
    return redact(comment.strip(), MAX_COMMENT) or None


def id_of(what: str, value: object) -> str | None:
    """An id that the application gives, as text.

    Raises:
        TypeError: it is neither text nor a whole number.
        ValueError: it is empty or longer than MAX_ID.
    """
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise TypeError(f"{what} must be a text, not {type(value).__name__}")
    text = str(value) if isinstance(value, str) or abs(value) < 1 << 64 else ""
    if not text.strip():
        raise ValueError(f"{what} must not be empty")
    if len(text) > MAX_ID:
        raise ValueError(f"{what} has {len(text)} characters, at most {MAX_ID} are taken")
    return text.encode("utf-8", "replace").decode("utf-8")


def tags_of(tags: object) -> tuple[str, ...]:
    """Tags in order, each once.

    Raises:
        TypeError: they are no texts.
        ValueError: there are more than MAX_TAGS, or one is empty or longer than MAX_TAG.
    """
    if isinstance(tags, str):
        tags = (tags,)
    if not isinstance(tags, Iterable):
        raise TypeError(f"tags must be texts, not {type(tags).__name__}")
    found: dict[str, None] = {}
    for tag in tags:
        if not isinstance(tag, str):
            raise TypeError(f"each tag must be a text, not {type(tag).__name__}")
        if not 0 < len(tag) <= MAX_TAG:
            raise ValueError(f"a tag has {len(tag)} characters, it takes 1 to {MAX_TAG}")
        found[redact(tag, MAX_TAG)] = None
        if len(found) > MAX_TAGS:
            raise ValueError(f"there are more than {MAX_TAGS} tags, which is the most that is taken")
    return tuple(found)


def rating_body(rating: Rating) -> dict[str, Any]:
    """A rating as the body of a `feedback` record: what is not known is left out."""
    return {name: value for name in _NAMES if (value := getattr(rating, name)) is not None and value != ()}


def rating_from(body: Mapping[str, Any]) -> Rating:
    """The rating of a `feedback` record or a row. Unknown keys, from a newer version, are ignored.

    Raises:
        TypeError, ValueError: the body is not that of a rating.
    """
    known = {name: body[name] for name in _NAMES if name in body}
    rating = known.setdefault("rating", None)
    if rating is not None and not LOWEST <= rating <= HIGHEST:
        raise ValueError("no rating")
    known["tags"] = tuple(known.get("tags") or ())
    return Rating(**known)


def _number(what: str, value: object, low: float, high: float) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        raise TypeError(f"{what} must be a number, not {type(value).__name__}")
    if not low <= cast("float", value) <= high:
        raise ValueError(f"{what} must be from {low:g} to {high:g}, not {value!r:.40}")
    return float(value)


def _label(label: object) -> str:
    if not isinstance(label, str):
        raise TypeError(f"label must be a text, not {type(label).__name__}")
    word = label.strip()
    word = _SIGNS.get(word[:1], word).lower().replace("-", "_").replace(" ", "_")
    if not _LABEL.fullmatch(word):
        raise ValueError(
            f"label must be a short word such as 'up' or 'down' (a to z, 0 to 9, _; at most 32), not {label[:40]!r}"
        )
    return word


_NAMES = tuple(field.name for field in fields(Rating))
