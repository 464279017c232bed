"""feedback() and feedback_token()."""

from __future__ import annotations

import hashlib
import secrets
import time
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import partial
from uuid import UUID

from opentelemetry.trace import Span, SpanContext, get_current_span

from spanwatch.core.call import Call
from spanwatch.core.durations import Duration, seconds, written
from spanwatch.core.feedback.rating import (
    Given,
    Rating,
    Target,
    comment_of,
    id_of,
    judgement,
    rating_body,
    tags_of,
)
from spanwatch.core.feedback.tokens import NONCE_BYTES, is_token, opened, sealed
from spanwatch.otel.feedback.targets import target_of
from spanwatch.otel.feedback.telling import tell
from spanwatch.otel.spans.force import in_force
from spanwatch.otel.telemetry import Telemetry
from spanwatch.store.feedback import located, root_span
from spanwatch.store.projection import project

LONGEST_S = 90 * 86_400.0
_KEY_LASTS_S = 30 * 86_400.0  # how long an idempotency key is known


@dataclass(frozen=True, slots=True)
class Feedback:
    """What became of a piece of feedback: its id, and whether it had been given before, so that nothing was recorded.

    `trace_id` is that of the rated work, None where it is not known yet.
    """

    id: str
    duplicate: bool = False
    trace_id: str | None = None


@dataclass(frozen=True, slots=True)
class _Asked:
    """A target with the id of its rating, and the claim to rate it: (what is claimed, until when)."""

    target: Target
    id: str
    claim: tuple[str, float] | None


def feedback(
    target: Span | SpanContext | Call | str,
    *,
    rating: float | None = None,
    score: float | None = None,
    label: str | None = None,
    comment: str | None = None,
    user_id: str | int | UUID | None = None,
    tags: Iterable[str] = (),
    idempotency_key: str | None = None,
) -> Feedback:
    """Record what a user says of a piece of work: in its trace, as event and metric, and in the store.

    Args:
        target: What is rated: a span, a trace id, a `traceparent`, the id of a response, interaction or conversation
            that the application used, or a feedback token. An id that nobody knows yet is kept and found later.
        rating: From 1 (worst) to 5.
        score: From 0 (worst) to 1, in place of a rating.
        label: A word such as `up` or `down`, in place of a rating. Words that are not of `LABELS` are in no average.
        comment: The user's words. The store keeps them without secrets, at most 8,192 characters; telemetry has them
            only with content switched on.
        user_id: Who says it; by default the user of the rated work.
        tags: Words to find it by.
        idempotency_key: The same key for the same target records once. A token records once in any case.

    Raises:
        TypeError: an argument is of a wrong type.
        ValueError: an argument is out of range, or a token is forged, malformed or expired.
    """
    given = judgement(rating, score, label)
    said, found_tags = comment_of(comment), tags_of(tags)
    who = id_of("user_id", str(user_id) if isinstance(user_id, UUID) else user_id)
    key = id_of("idempotency_key", idempotency_key)
    telemetry = in_force()
    asked = _asked(telemetry, target, key)
    found = _rated(asked, given, telemetry.clock())
    found = replace(found, comment=said, tags=found_tags, user_id=who or found.user_id)
    done = telemetry.desk.guard.run("taking feedback", _take, telemetry, asked, found)
    return Feedback(asked.id, trace_id=asked.target.trace_id) if done is None else done


def feedback_token(target: Span | SpanContext | Call | str | None = None, *, lasts: Duration = "7d") -> str:
    """A token with which a front end may rate `target` once, by default the current span.

    It is opaque text of a few hundred characters, for URLs too: encrypted and authenticated, so that no id can be read
    from it or changed in it. It `lasts` a week, at most 90 days. Every process with the same home, or the same
    `feedback_key`, takes it.

    Raises:
        TypeError: the target is none.
        ValueError: `lasts` is no length of time, or longer than 90 days.
        ConfigurationError: there is neither a store nor a `feedback_key`.
    """
    length_s = seconds(lasts)
    if length_s > LONGEST_S:
        raise ValueError(f"a feedback token cannot last {written(length_s)}: {written(LONGEST_S)} at most")
    found = target_of(get_current_span() if target is None else target)
    keys = in_force().desk.keys()
    return sealed(found, keys, nonce=secrets.token_bytes(NONCE_BYTES), expires=int(time.time() + length_s))


def _asked(telemetry: Telemetry, target: object, key: str | None) -> _Asked:
    if isinstance(target, str) and is_token(target.strip()):
        token = opened(target.strip(), telemetry.desk.keys(), now=time.time())
        return _Asked(token.target, token.id, (token.id, token.expires))
    found = target_of(target)
    if found.reference is not None:
        found = replace(telemetry.desk.recent(found.reference) or found, reference=found.reference)
    if key is None:
        return _Asked(found, telemetry.new_id(), None)
    what = target if isinstance(target, str) else f"{found.trace_id}-{found.span_id}"
    claim = hashlib.sha256(f"key\0{what}\0{key}".encode("utf-8", "replace")).hexdigest()[:32]
    return _Asked(found, claim, (claim, time.time() + _KEY_LASTS_S))


def _rated(asked: _Asked, given: Given, at_ns: int) -> Rating:
    about = asked.target
    return Rating(
        id=asked.id,
        at_ns=at_ns,
        kind=given.kind,
        rating=given.rating,
        label=given.label,
        trace_id=about.trace_id,
        span_id=about.span_id,
        reference=about.reference,
        user_id=about.user_id,
        conversation_id=about.conversation_id,
        agent=about.agent,
        model=about.model,
        app_version=about.app_version,
        prompt=about.prompt,
    )


def _take(telemetry: Telemetry, asked: _Asked, found: Rating) -> Feedback:
    """Journal first and claim then, so that a crash between the two loses nothing: the store knows a rating by its id.

    The order also leaves a moment in which two processes may both journal a rating of one token; the store has it once.
    """
    desk, target = telemetry.desk, asked.target
    if asked.claim is not None and desk.is_claimed(asked.claim[0]):
        return Feedback(asked.id, duplicate=True, trace_id=target.trace_id)
    telemetry.keep("feedback", rating_body(found))
    if asked.claim is not None and not desk.claim(*asked.claim):
        return Feedback(asked.id, duplicate=True, trace_id=target.trace_id)
    if target.span_id is None and desk.home is not None and (target.trace_id or target.reference):
        telemetry.defer(partial(_tell_later, telemetry, found, target))
    else:
        tell(telemetry, found, target)
    return Feedback(found.id, trace_id=target.trace_id)


def _tell_later(telemetry: Telemetry, rating: Rating, target: Target) -> None:
    """Ask the store which span is meant, away from the caller's thread."""
    found = telemetry.desk.guard.run("finding what was rated", _located, telemetry, rating, target)
    tell(telemetry, *(found or (rating, target)))


def _located(telemetry: Telemetry, rating: Rating, target: Target) -> tuple[Rating, Target] | None:
    home = telemetry.desk.home
    if home is None:
        return None
    project(home)
    known = located(home, rating.id) or rating
    if known.trace_id is None:
        return None
    root = root_span(home, known.trace_id) if known.span_id is None else (known.span_id, target.sampled)
    span_id, sampled = root or (None, True)
    known = replace(known, comment=rating.comment, tags=rating.tags)
    return known, replace(target, trace_id=known.trace_id, span_id=span_id, sampled=sampled)
