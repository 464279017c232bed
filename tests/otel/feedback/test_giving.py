"""feedback() and tokens as telemetry: spans, events and metrics, in the process that was rated."""

import logging
import secrets
import uuid

import pytest
from opentelemetry.trace import INVALID_SPAN, format_span_id, format_trace_id, get_current_span

import spanwatch
from spanwatch.core import names
from spanwatch.core.feedback.tokens import TokenError
from spanwatch.testing import capture


def parts(captured):
    spans = [span for span in captured.spans if span["name"] == names.USER_FEEDBACK]
    events = [log for log in captured.logs if log["event"] == names.EVENT_EVALUATION_RESULT]
    return spans, events, captured.metrics


def request(**who):
    with spanwatch.request("ask", **who):
        return get_current_span()


def test_a_rating_is_a_span_an_event_and_metrics_in_the_rated_trace():
    with capture() as captured:
        span = request(user_id="alice", conversation_id="c-1", app_version="1.2")
        done = spanwatch.feedback(span, rating=2, comment="too slow", tags=["web"])
        (scored,), (event,), metrics = parts(captured)
    said = {
        "gen_ai.evaluation.name": "user_feedback",
        "gen_ai.evaluation.score.value": 0.25,
        "gen_ai.evaluation.score.label": "2",
        "spanwatch.feedback.id": done.id,
        "spanwatch.feedback.kind": "rating",
        "spanwatch.feedback.rating": 2.0,
        "spanwatch.feedback.low": True,
        "user.id": "alice",
        "gen_ai.conversation.id": "c-1",
        "spanwatch.app.version": "1.2",
    }
    assert scored["attributes"] == {**said, "spanwatch.tags": ["web"]}
    assert (scored["parent"], scored["status"]) == (1, "unset")
    assert (event["attributes"], event["severity"], event["span"]) == (said, "WARN", 1)
    assert done == spanwatch.Feedback(done.id, False, format_trace_id(span.get_span_context().trace_id))
    labels = {"spanwatch.feedback.kind": "rating", "spanwatch.app.version": "1.2"}
    assert metrics["spanwatch.feedback.rating"] == [{"attributes": labels, "count": 1, "sum": 2.0}]
    counted = {**labels, "gen_ai.evaluation.score.label": "2"}
    assert metrics["spanwatch.feedback.count"] == [{"attributes": counted, "value": 1}]
    assert metrics["spanwatch.feedback.low_ratings"] == [{"attributes": labels, "value": 1}]


def test_a_good_rating_is_no_warning():
    with capture() as captured:
        spanwatch.feedback(request(), rating=5)
        _, (event,), metrics = parts(captured)
    assert event["severity"] == "INFO"
    assert "spanwatch.feedback.low" not in event["attributes"]
    assert "spanwatch.feedback.low_ratings" not in metrics


@pytest.mark.parametrize(("content", "explained"), [(False, None), (True, "it said [redacted]")])
def test_a_comment_is_in_telemetry_only_with_content_on(content, explained):
    with capture(content=content) as captured:
        spanwatch.feedback(request(), label="down", comment="it said sk-proj-abcDEF0123456789abcd")
        (scored,), (event,), _ = parts(captured)
    assert event["attributes"].get("gen_ai.evaluation.explanation") == explained
    assert "gen_ai.evaluation.explanation" not in scored["attributes"]


def test_what_the_current_request_carries_is_not_put_on_the_rated_one():
    with capture() as captured:
        span = request(user_id="alice")
        with spanwatch.request("feedback", user_id="bob"):
            spanwatch.feedback(span, rating=4)
        (scored,), (event,), _ = parts(captured)
    assert scored["attributes"]["user.id"] == event["attributes"]["user.id"] == "alice"


@pytest.mark.parametrize("kind", ["span", "context", "traceparent", "token"])
def test_each_way_to_name_a_span_rates_that_span(kind):
    with capture() as captured:
        span = request()
        context = span.get_span_context()
        given = {
            "span": span,
            "context": context,
            "traceparent": f"00-{format_trace_id(context.trace_id)}-{format_span_id(context.span_id)}-01",
            "token": spanwatch.feedback_token(span),
        }
        assert spanwatch.feedback(given[kind], rating=3).trace_id == format_trace_id(context.trace_id)
        (scored,), _, _ = parts(captured)
    assert scored["parent"] == 1


def test_a_trace_id_alone_puts_the_score_into_the_trace():
    with capture() as captured:
        trace_id = secrets.token_hex(16)
        spanwatch.feedback(f"0x{trace_id}", rating=3)
        ended = captured._kept._ended
    assert [format_trace_id(span.context.trace_id) for span in ended] == [trace_id]


def test_a_span_that_was_not_sampled_gets_no_span_but_all_the_rest():
    with capture() as captured:
        spanwatch.feedback(f"00-{secrets.token_hex(16)}-{secrets.token_hex(8)}-00", rating=1)
        spans, events, metrics = parts(captured)
    assert len(events) == metrics["spanwatch.feedback.count"][0]["value"] == 1
    assert len(spans) == 1  # capture samples everything; the SDK's default sampler follows the flag


def test_an_unknown_id_is_told_without_a_trace():
    with capture() as captured:
        assert spanwatch.feedback("resp_unknown", rating=1).trace_id is None
        spans, (event,), _ = parts(captured)
    assert spans == []
    assert event["attributes"]["gen_ai.response.id"] == "resp_unknown"


def test_with_the_sdk_disabled_feedback_is_taken_without_a_trace():
    with capture() as captured:
        assert spanwatch.feedback(INVALID_SPAN, label="up").trace_id is None
        spans, events, _ = parts(captured)
    assert (len(spans), len(events)) == (0, 1)


def test_labels_of_ones_own_do_not_multiply_the_series():
    with capture() as captured:
        for number in range(50):
            spanwatch.feedback(request(), label=f"own_{number}")
        (point,) = captured.metrics["spanwatch.feedback.count"]
        assert "spanwatch.feedback.rating" not in captured.metrics
    assert (point["attributes"]["gen_ai.evaluation.score.label"], point["value"]) == ("_OTHER", 50)


def test_a_key_records_once_for_each_target():
    with capture() as captured:
        one, other = request(), request()
        found = [spanwatch.feedback(span, rating=5, idempotency_key="k") for span in (one, one, other)]
        spans, _, _ = parts(captured)
    assert [each.duplicate for each in found] == [False, True, False]
    assert found[0].id == found[1].id != found[2].id
    assert len(spans) == 2


def test_a_token_rates_once_whatever_is_said_with_it():
    with capture() as captured:
        token = spanwatch.feedback_token(request(user_id="alice"))
        first = spanwatch.feedback(token, rating=5)
        again = spanwatch.feedback(token, rating=1, idempotency_key="another")
        (scored,), _, _ = parts(captured)
    assert (first.duplicate, again.duplicate, first.id) == (False, True, again.id)
    assert scored["attributes"]["user.id"] == "alice"


def test_a_token_of_the_current_span_and_its_life():
    with capture():
        with spanwatch.request():
            token = spanwatch.feedback_token()
            assert not spanwatch.feedback(token, rating=1).duplicate
        for lasts, text in (("91d", "cannot last 91d: 90d at most"), ("soon", "no length of time")):
            with pytest.raises(ValueError, match=text):
                spanwatch.feedback_token(request(), lasts=lasts)
        with pytest.raises(TokenError, match="forged"):
            spanwatch.feedback(token[:-6] + "AAAAAA", rating=1)


@pytest.mark.parametrize(
    ("target", "kind", "text"),
    [
        (7, TypeError, "it was given int"),
        (None, TypeError, "it was given NoneType"),
        ("  ", ValueError, "it was given an empty text"),
        ("x" * 257, ValueError, "an id to rate has 257 characters, at most 256 are taken"),
        ("fb1_nonsense", TokenError, "the feedback token is malformed"),
    ],
)
def test_what_cannot_be_rated_is_refused_at_the_call(target, kind, text):
    with capture() as captured:
        with pytest.raises(kind, match=text):
            spanwatch.feedback(target, rating=1)
        assert captured.logs == []


def test_wrong_arguments_raise_and_record_nothing():
    with capture() as captured:
        for wrong in ({"rating": 0}, {}, {"rating": 1, "user_id": " "}, {"rating": 1, "idempotency_key": 1.5}):
            with pytest.raises((TypeError, ValueError)):
                spanwatch.feedback(request(), **wrong)
        assert spanwatch.feedback(request(), rating=1, user_id=uuid.UUID(int=5)).duplicate is False
        assert len(parts(captured)[1]) == 1


def test_low_ratings_are_warned_of_but_not_without_end(caplog):
    with capture(), caplog.at_level(logging.WARNING, "spanwatch"):
        for _ in range(30):
            spanwatch.feedback(request(), rating=1, comment="secret words")
    texts = [record.getMessage() for record in caplog.records]
    assert len(texts) == 10
    assert texts[0].startswith("spanwatch: low rating: 1 of 5 for trace ")
    assert "secret words" not in "".join(texts)


def test_without_configuration_feedback_goes_to_the_global_providers_and_raises_nothing():
    assert spanwatch.feedback("resp_1", rating=5).duplicate is False
