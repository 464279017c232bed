"""More than 60 secrets in each of 17 places of what a process tells; 1,000 texts without one that stay as they are."""

import base64
import inspect
import json
import random
import re
import uuid

import pytest
from opentelemetry._logs import LogRecord, SeverityNumber
from opentelemetry.sdk._logs import LoggerProvider, LogRecordProcessor
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.trace import SpanContext, StatusCode, TraceFlags

from spanwatch.core.redact import redact, without_secrets
from spanwatch.core.sanitise import plain
from spanwatch.otel.clearing import Clearing, cleared_labels
from spanwatch.otel.encode import Border, log_body, span_line
from tests.core.test_redact import NAMED, SECRETS

ALL = [*((text, text[-12:]) for text in SECRETS), *NAMED]
TEXTS = [(text, secret) for text, secret in ALL if not re.fullmatch("[0-9a-f]{1,6}", secret)]  # ids may hold such ones


def in_span(change):
    def told(text):
        span = TracerProvider(shutdown_on_exit=False).get_tracer("s").start_span("work")
        change(span, text)
        span.end()
        return span_line(span, plain(span.attributes or {})).decode("ascii")

    return told


def in_log(**fields):
    def told(text):
        class Kept(LogRecordProcessor):
            def on_emit(self, log_record):
                self.line = json.dumps(log_body(log_record))

            def shutdown(self):
                pass

            def force_flush(self, timeout_millis=0):
                return True

        kept, provider = Kept(), LoggerProvider(shutdown_on_exit=False)
        provider.add_log_record_processor(kept)
        given = {name: build(text) for name, build in fields.items()}
        provider.get_logger("l").emit(LogRecord(timestamp=1, severity_number=SeverityNumber.INFO, **given))
        return kept.line

    return told


def in_label(text):
    reader = InMemoryMetricReader()
    MeterProvider([reader], shutdown_on_exit=False).get_meter("m").create_counter("c").add(1, {"user": text})
    return Clearing(Border()).metrics(reader.get_metrics_data()).to_json()


def raised(span, text):
    span.record_exception(ValueError(text))


PLACES = {
    "span name": in_span(lambda span, text: span.update_name(text)),
    "attribute": in_span(lambda span, text: span.set_attribute("note", text)),
    "list": in_span(lambda span, text: span.set_attribute("notes", ["a", text])),
    "key": in_span(lambda span, text: span.set_attribute(text, 1)),
    "tool arguments": in_span(lambda span, text: span.set_attribute("arguments", json.dumps({"a": [{"b": text}]}))),
    "event name": in_span(lambda span, text: span.add_event(text)),
    "event attribute": in_span(lambda span, text: span.add_event("e", {"note": text})),
    "exception": in_span(raised),
    "status": in_span(lambda span, text: span.set_status(StatusCode.ERROR, text)),
    "link": in_span(lambda span, text: span.add_link(SpanContext(1, 2, True, TraceFlags(1)), {"note": text})),
    "log body": in_log(body=lambda text: text),
    "structured log body": in_log(body=lambda text: {"a": [text, {"b": text}]}),
    "log attribute": in_log(attributes=lambda text: {"note": text}),
    "log event": in_log(event_name=lambda text: text),
    "resource": lambda text: str(dict(Clearing(Border()).resource(Resource({"note": text})).attributes)),
    "metric label": in_label,
    "alert and call": lambda text: (
        str(cleared_labels((("user", text),), Border())) + str(without_secrets({"model": text, "tags": (text,)}))
    ),
}


@pytest.mark.parametrize("place", PLACES)
def test_no_secret_leaves_in_this_place(place):
    assert len(TEXTS) >= 60
    assert len(PLACES) >= 15
    for text, secret in TEXTS:
        written = PLACES[place](text)
        assert secret not in written, (text, written)
        assert json.dumps(secret)[1:-1] not in written
        assert "[redacted]" in written


def prose_and_code():
    """Documentation and source of the standard library: what people and models write, unselected."""
    for name in (
        "argparse",
        "logging",
        "json",
        "http.client",
        "asyncio",
        "sqlite3",
        "unittest",
        "email",
        "ssl",
        "decimal",
    ):
        module = __import__(name, fromlist=["_"])
        yield from (part for part in (inspect.getdoc(module) or "").split("\n\n") if len(part) > 20)
        for _, member in inspect.getmembers(module, lambda one: inspect.isclass(one) or inspect.isfunction(one)):
            yield inspect.getdoc(member) or ""
            try:
                source = inspect.getsource(member)
            except (OSError, TypeError):
                continue
            yield from (source[at : at + 1_500] for at in range(0, min(len(source), 6_000), 1_500))


def records(rng):
    """JSON, logs, ids and addresses as services write them."""
    hexes = lambda size: "".join(rng.choices("0123456789abcdef", k=size))  # noqa: E731 (two words)
    while True:
        blob = bytes(rng.randrange(256) for _ in range(rng.randrange(6, 90)))
        yield json.dumps(
            {"input_tokens": rng.randrange(9_999), "output_tokens": 7, "total_tokens": 12, "id": hexes(24)}
        )
        yield json.dumps({"usage": {"prompt_tokens": 1, "completion_tokens_details": {"reasoning_tokens": 2}}})
        yield f"max_tokens={rng.randrange(4096)} token_count: {rng.randrange(99)} tokens: 12 tokenizer=cl100k_base"
        yield str(uuid.UUID(int=rng.getrandbits(128)))
        yield base64.b64encode(blob).decode()
        yield base64.urlsafe_b64encode(blob).decode()
        yield f"sha256:{hexes(64)}"
        yield f"commit {hexes(40)} author: Jo <jo@example.org>"
        yield f"2026-11-26T13:{rng.randrange(60):02}:07Z INFO api[7]: GET /v1/items?page=2&q=keys 200 12ms"
        yield f"traceparent: 00-{hexes(32)}-{hexes(16)}-01"
        yield f"chatcmpl-{hexes(29)} req_{hexes(24)} call_{hexes(24)} gpt-4o-mini-2024-07-18"
        yield f"https://example.com/a/{hexes(8)}?page={rng.randrange(9)}&sort=key#top"
        yield f"arn:aws:s3:::bucket/{hexes(12)}.json etag={hexes(32)}"
        yield f'{{"role": "user", "content": "Where is order {rng.randrange(9_999)}? My key question: is it late"}}'
        yield f"SELECT id, primary_key FROM orders WHERE key = {rng.randrange(99)} AND session_id = '{hexes(8)}'"
        yield f"data:image/png;base64,{base64.b64encode(blob).decode()}"
        yield f"The secret of good soup, said cook {rng.randrange(99)}: patience. Basic rules, a bearer of news: none."


def benign():
    rng = random.Random(7)
    written = [text for text in dict.fromkeys(prose_and_code()) if text.strip()]
    made = records(rng)
    return rng.sample(written, min(500, len(written))) + [next(made) for _ in range(1_000 - min(500, len(written)))]


def test_of_a_thousand_ordinary_texts_at_most_ten_are_altered():
    texts = benign()
    assert len(texts) == 1_000
    altered = [text for text in texts if redact(text) != text]
    assert len(altered) <= 10, [(text[:80], redact(text)[:80]) for text in altered]


def test_counts_of_tokens_are_never_hit():
    for name in ("input_tokens", "output_tokens", "max_tokens", "total_tokens", "token_count", "completion_tokens"):
        for text in (f"{name}=1042", f"{name}: 1042", json.dumps({name: 1042}), json.dumps({name: "104200001"})):
            assert redact(text) == text
