"""A rating as telemetry: a short span in the rated trace, the evaluation event, a histogram and counters."""

from __future__ import annotations

import secrets
from dataclasses import replace

from opentelemetry._logs import SeverityNumber
from opentelemetry.context import Context
from opentelemetry.trace import NonRecordingSpan, SpanContext, format_span_id, set_span_in_context

from spanwatch.core import names
from spanwatch.core.feedback.rating import LABELS, Rating, Target
from spanwatch.otel.feedback.targets import context_of
from spanwatch.otel.telemetry import Telemetry
from spanwatch.otel.worker import Observed

Labels = dict[str, str | int]


def tell(telemetry: Telemetry, rating: Rating, target: Target) -> None:
    """Emit everything but the row. Hours later and in another process it is the same.

    Of a trace of which no span is known, the score's span names a parent that nobody has: it is in the trace all the
    same, where views and tail sampling look.
    """
    if target.trace_id is not None and target.span_id is None:
        target = replace(target, span_id=format_span_id(secrets.randbits(64) or 1))
    context = context_of(target)
    telemetry.desk.guard.run("telling a rating in its trace", _span, telemetry, rating, context)
    telemetry.desk.guard.run("telling a rating as an event", _event, telemetry, rating, context)
    telemetry.desk.guard.run("measuring a rating", _measure, telemetry, rating, context)
    if rating.is_low():
        agent = f", agent {rating.agent!r}" if rating.agent else ""
        about = f"trace {rating.trace_id}" if rating.trace_id else f"{rating.reference or 'something unknown'!r}"
        telemetry.desk.warn(f"low rating: {rating.rating:g} of 5 for {about}{agent}; feedback {rating.id}")


def attributes(rating: Rating) -> dict[str, str | float | bool]:
    """What span and event say: everything but the comment."""
    said: dict[str, str | float | bool | None] = {
        names.EVALUATION_NAME: names.USER_FEEDBACK,
        names.EVALUATION_SCORE: rating.score,
        names.EVALUATION_LABEL: rating.label,
        names.FEEDBACK_ID: rating.id,
        names.FEEDBACK_KIND: rating.kind,
        names.FEEDBACK_RATING: rating.rating,
        names.FEEDBACK_LOW: rating.is_low() or None,
        names.USER_ID: rating.user_id,
        names.CONVERSATION_ID: rating.conversation_id,
        names.AGENT_NAME: rating.agent,
        names.APP_VERSION: rating.app_version,
        names.RESPONSE_ID: rating.reference if rating.trace_id is None else None,
    }
    return {name: value for name, value in said.items() if value is not None}


def _span(telemetry: Telemetry, rating: Rating, context: SpanContext | None) -> None:
    if context is None:
        return
    said: dict[str, str | float | bool | tuple[str, ...]] = {**attributes(rating)}
    if rating.tags:
        said[names.TAGS] = rating.tags
    telemetry.tracer().start_span(
        names.USER_FEEDBACK, context=_around(context), attributes=said, start_time=rating.at_ns
    ).end(rating.at_ns)


def _event(telemetry: Telemetry, rating: Rating, context: SpanContext | None) -> None:
    said = attributes(rating)
    if telemetry.content.on and rating.comment is not None:
        said[names.EVALUATION_EXPLANATION] = rating.comment
    low = rating.is_low()
    telemetry.logger().emit(
        timestamp=rating.at_ns,
        context=_around(context),
        severity_number=SeverityNumber.WARN if low else SeverityNumber.INFO,
        severity_text="WARN" if low else "INFO",
        event_name=names.EVENT_EVALUATION_RESULT,
        attributes=said,
    )


def _measure(telemetry: Telemetry, rating: Rating, context: SpanContext | None) -> None:
    about = {names.FEEDBACK_KIND: rating.kind, names.REQUEST_MODEL: rating.model, names.AGENT_NAME: rating.agent}
    labels: Labels = {
        name: value for name, value in (*about.items(), (names.APP_VERSION, rating.app_version)) if value is not None
    }
    known = rating.kind != "label" or rating.label in LABELS
    counted: Labels = {**labels, names.EVALUATION_LABEL: rating.label if known else names.LABEL_OTHER}
    values: list[tuple[names.Metric, float, Labels]] = [(names.FEEDBACK, 1, counted)]
    if rating.rating is not None:
        values.append((names.RATING, rating.rating, labels))
    if rating.is_low():
        values.append((names.LOW_RATINGS, 1, labels))
    telemetry.measure(Observed(lambda: tuple(values), context))


def _around(context: SpanContext | None) -> Context:
    """The rated span alone: what the current request carries has nothing to do with it."""
    return Context() if context is None else set_span_in_context(NonRecordingSpan(context), Context())
