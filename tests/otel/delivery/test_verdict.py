import json

import pytest
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceResponse
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse

from spanwatch.otel.delivery.connection import Answer
from spanwatch.otel.delivery.verdict import retry_after_s, verdict

PROTOBUF = "application/x-protobuf"


def of(status, **more):
    return verdict(Answer(status, **more), "traces", 1_000.0)


def partial(rejected, message):
    answer = ExportTraceServiceResponse()
    answer.partial_success.rejected_spans = rejected
    answer.partial_success.error_message = message
    return answer.SerializeToString()


@pytest.mark.parametrize("status", [200, 202, 204])
def test_a_2xx_without_a_body_takes_everything(status):
    found = of(status)
    assert (found.kind, found.rejected, found.text) == ("done", 0, "")


def test_partial_success_says_how_many_were_rejected_and_why_without_secrets_on_one_line():
    found = of(200, kind=PROTOBUF, body=partial(3, "too old\nsee sk-proj-" + "A1b2" * 8))
    assert (found.kind, found.rejected) == ("done", 3)
    assert found.text == "it rejected 3 of them: too old see [redacted]"


def test_partial_success_without_a_rejection_is_a_warning():
    found = of(200, kind=PROTOBUF, body=partial(0, "slow down"))
    assert (found.kind, found.rejected, found.text) == ("done", 0, "it warns: slow down")


def test_partial_success_is_read_from_json_and_for_each_signal():
    body = json.dumps({"partialSuccess": {"rejectedSpans": "2", "errorMessage": "no"}}).encode()
    assert of(200, kind="application/json", body=body).rejected == 2
    answer = ExportLogsServiceResponse()
    answer.partial_success.rejected_log_records = 5
    assert verdict(Answer(200, PROTOBUF, answer.SerializeToString()), "logs", 0).rejected == 5


@pytest.mark.parametrize("body", [b"ok", b"\xff\xff\xff", b"[1]"])
@pytest.mark.parametrize("kind", [PROTOBUF, "application/json", "text/plain"])
def test_junk_in_a_2xx_is_taken_as_delivered_and_told(body, kind):
    found = of(200, kind=kind, body=body)
    assert (found.kind, found.rejected, found.text) == ("done", 0, "its answer is none of OTLP")


def test_a_web_page_is_no_collector():
    assert of(200, kind="text/html", body=b"<html>Log in").kind == "later"


def test_an_answer_without_an_end_is_delivered_and_told():
    found = of(200, kind=PROTOBUF, body=b"x", whole=False)
    assert (found.kind, found.text) == ("done", "its answer is longer than 4 MiB and was not read")


@pytest.mark.parametrize("status", [401, 403, 404, 405, 408, 429, 500, 501, 502, 503, 504])
def test_other_failures_are_tried_again(status):
    assert of(status).kind == "later"


def test_a_redirect_is_told_and_not_followed():
    found = of(302, location="https://user:pw@login.example/?token=abcdefgh12345678")
    assert found.kind == "later"
    assert "redirects (302) to https://[redacted]@login.example/" in found.text
    assert "abcdefgh12345678" not in found.text
    assert "pw" not in found.text


def test_a_request_that_is_too_large_is_split_and_a_bad_one_looked_into():
    assert [of(status).kind for status in (413, 400, 422)] == ["smaller", "bad", "bad"]


@pytest.mark.parametrize(
    ("raw", "seconds"),
    [
        (None, None),
        ("5", 5),
        ("-3", 0),
        ("1e9", 3_600),
        ("nan", None),
        ("soon", None),
        ("Thu, 01 Jan 1970 00:16:50 GMT", 10),
        ("Thu, 01 Jan 1970 00:00:00 GMT", 0),
        ("Fri, 31 Dec 9999 23:59:59 GMT", 3_600),
    ],
)
def test_retry_after_is_a_number_or_a_date_and_an_hour_at_most(raw, seconds):
    assert retry_after_s(raw, 1_000.0) == seconds


def test_retry_after_reaches_the_verdict():
    assert of(429, retry_after="7").wait_s == 7
    assert of(503).wait_s is None
