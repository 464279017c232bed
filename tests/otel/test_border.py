"""No secret gets past the encoding of spans and logs, wherever it stands, by the quick way and by the thorough one."""

import re

import pytest
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.trace import SpanContext, StatusCode, TraceFlags

from spanwatch.core.redact import Rules
from spanwatch.core.sanitise import plain
from spanwatch.otel.encode import Border, span_line
from spanwatch.otel.journal import Journal, Origin
from tests.otel.rig import new_id, records

BODY = "A1b2C3d4E5f6G7h8J9k0"
SECRETS = [
    f"sk-proj-{BODY}",
    f"sk-ant-api03-{BODY}",
    f"ghp_{BODY}",
    f"AKIA{BODY[:16].upper()}",
    f"xoxb-{BODY}",
    f"hf_{BODY}",
    f"eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.{BODY}",
    f"Bearer {BODY}",
    f"password={BODY}",
    f"https://me:{BODY}@host/x",
    f"https://host/x?api_key={BODY}",
]
PLACES = {
    "name": lambda span, text: span.update_name(text),
    "attribute": lambda span, text: span.set_attribute("note", text),
    "list": lambda span, text: span.set_attribute("notes", ["a", text]),
    "key": lambda span, text: span.set_attribute(text, 1),
    "event name": lambda span, text: span.add_event(text),
    "event attribute": lambda span, text: span.add_event("e", {"note": text}),
    "status": lambda span, text: span.set_status(StatusCode.ERROR, text),
    "exception": lambda span, text: span.record_exception(ValueError(text)),
    "link": lambda span, text: span.add_link(SpanContext(1, 2, True, TraceFlags(1)), {"note": text}),
}


def line(change, border=None):
    span = TracerProvider(shutdown_on_exit=False).get_tracer("s").start_span("work")
    change(span)
    span.end()
    given = plain(span.attributes or {})
    return (span_line(span, given) if border is None else span_line(span, given, border)).decode("ascii")


@pytest.mark.parametrize("secret", SECRETS)
@pytest.mark.parametrize("place", PLACES)
def test_a_secret_leaves_in_no_place_of_a_span(place, secret):
    written = line(lambda span: PLACES[place](span, f"see {secret} there"))
    assert BODY not in written
    assert BODY[:16].upper() not in written
    assert "[redacted]" in written


@pytest.mark.parametrize("key", ["api_key", "http.request.header.authorization", "db.password", "clientSecret"])
def test_what_goes_by_a_secrets_name_is_replaced_whole(key):
    written = line(lambda span: span.set_attribute(key, "hunter2"))
    assert "hunter2" not in written


def test_counts_of_tokens_and_ordinary_values_stay():
    attributes = {
        "gen_ai.usage.input_tokens": 12,
        "gen_ai.token.type": "input",
        "id": "req_0a1b2c",
        "note": "21 degrees",
    }
    written = line(lambda span: span.set_attributes(attributes))
    for key, value in attributes.items():
        assert f'"{key}":' + (f'"{value}"' if isinstance(value, str) else str(value)) in written


def test_the_applications_patterns_and_callables_hold_too():
    border = Border(Rules((re.compile(r"CUST-\d+"),), (lambda text: text.replace("Ada", "***"),)))
    written = line(lambda span: span.set_attribute("note", "Ada is CUST-1234"), border)
    assert "*** is [redacted]" in written
    assert "CUST-1234" not in line(
        lambda span: span.update_name("CUST-1234"), Border(Rules((re.compile(r"CUST-\d+"),)))
    )


@pytest.mark.parametrize("answer", [lambda text: 1 / 0, lambda text: None])
def test_when_a_callable_fails_the_text_does_not_leave(answer):
    written = line(lambda span: span.set_attribute("note", "private"), Border(Rules((), (answer,))))
    assert "private" not in written
    assert "[redacted]" in written


def test_a_lone_surrogate_is_replaced_and_flagged():
    written = line(lambda span: span.set_attribute("note", "a\ud83d"))
    assert '"cut":1' in written
    assert "\\ufffd" in written
    assert "\\ud83d" not in written


def test_the_resource_and_records_of_our_own_have_no_secret_either(tmp_path):
    origin = Origin("bot", None, Resource({"service.name": "bot", "db.url": f"https://me:{BODY}@host"}).attributes.copy)
    journal = Journal(tmp_path, origin, new_id)
    journal.append("call", {"call_id": "1", "request_model": f"sk-proj-{BODY}", "tags": ("a", f"ghp_{BODY}")})
    journal.close()
    head, call = records(tmp_path)
    assert BODY not in str(head)
    assert (call["request_model"], call["tags"], call["call_id"]) == ("[redacted]", ["a", "[redacted]"], "1")
