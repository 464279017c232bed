"""The lines that are told: at the start, on joining, at the end; and whether a collector answers."""

from __future__ import annotations

import socket
import threading

import pytest

from spanwatch.core.settings import resolve
from spanwatch.otel.coverage import expected
from spanwatch.otel.reach import reach
from spanwatch.otel.status import Instrumented, exit_line, joined_line, start_line

SEEN = Instrumented("openai 3.0.0: chat", not_covered=("audio",))


def line(arguments=None, environ=None, instrumented=SEEN, **more):
    told = {"version": "1.0", "prices": "2026-11-03", "reach": {}, **more}
    return start_line(resolve(arguments or {}, environ or {}), instrumented, **told)


def test_the_start_line_says_where_what_with_which_prices_and_what_not():
    assert line() == (
        "spanwatch 1.0: to .spanwatch; content off; prices 2026-11-03; openai 3.0.0: chat; not covered: audio"
    )


def test_it_names_the_collector_without_its_password_and_whether_it_answers():
    target = "http://user:secret@collector:4318"
    told = line({"endpoint": target, "content": True}, reach={target: "reachable"})
    assert "to .spanwatch and http://***@collector:4318 (reachable); content on" in told
    assert "secret" not in told


def test_it_says_what_was_skipped_and_why_on_one_line():
    environ = {"OTEL_TRACES_EXPORTER": "console", "OTEL_EXPORTER_OTLP_ENDPOINT": "http://c"}
    told = line({"store": False}, environ, Instrumented(skipped=("openai,\nwhich is not installed",)), limits=("x",))
    assert "to http://c; " in told
    assert "no client library is instrumented" in told
    assert told.endswith(
        "skipped: openai, which is not installed, x, OTEL_TRACES_EXPORTER=console left to the application"
    )


def test_joined_it_names_only_endpoints_of_ours_and_the_limits():
    environ = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://theirs"}
    told = line({}, environ, joined=("traces", "metrics", "logs"))
    assert "theirs" not in told
    assert "joined the application's TracerProvider: its sampler stays, spans that it drops are not seen" in told


def test_with_nowhere_to_go_and_with_the_sdk_disabled_it_says_so():
    assert "to nowhere (store off, no endpoint)" in line({"store": False})
    assert line({}, {"OTEL_SDK_DISABLED": "true"}) == "spanwatch 1.0: off, because OTEL_SDK_DISABLED=true"


def test_joining_later_says_the_limits():
    assert joined_line(None).endswith("what it drops is not seen")
    assert joined_line("Bare takes no processor").endswith("; Bare takes no processor")


def test_the_end_says_what_is_owed_and_where_it_is_kept():
    owed = [("traces", 1, "http://u:p@c"), ("metrics", 2, "http://c"), ("logs", 1, "http://c")]
    assert exit_line(owed, 0.5, ".spanwatch") == (
        "1 span to http://***@c, 2 metric reports to http://c, 1 log record to http://c not delivered within 0.5 s; "
        "what is not sent is kept in .spanwatch, and sent by the next process that uses it"
    )
    assert exit_line(owed[:1], 2, None).endswith("not delivered within 2 s")


@pytest.mark.parametrize(
    ("engine", "words"),
    [
        ("spanwatch", ": chat, responses"),
        ("openllmetry", " by opentelemetry-instrumentation-openai 0."),
        ("genai", " by opentelemetry-instrumentation-genai-openai 1."),
        ("openinference", " by openinference-instrumentation-openai 0."),
        ("none", None),
    ],
)
def test_each_engine_says_what_it_sees(engine, words):
    found = expected(resolve({"openai": engine}, {}))
    if words is None:
        assert (found.phrase, found.skipped) == (None, ("openai, by the setting openai='none'",))
    else:
        assert words in found.phrase
        assert found.not_covered


@pytest.mark.parametrize("engine", ["openllmetry", "genai", "openinference"])
def test_the_start_line_says_what_another_engine_cannot_deliver(engine):
    settings = resolve({"openai": engine}, {})
    line = start_line(settings, expected(settings), version="1", prices="p", reach={})
    assert "; not covered: usage of streams that do not ask for it, " in line


def test_a_collector_is_reachable_or_refuses():
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
        assert reach(f"http://127.0.0.1:{port}", 5) == "reachable"
        assert reach(f"127.0.0.1:{port}", 5) == "reachable"
    assert reach(f"http://127.0.0.1:{port}", 5).startswith("not reachable: ")
    assert reach("http://[broken", 5).startswith("not reachable: ")


def test_no_collector_is_asked_where_no_thread_can_be_started_any_more(monkeypatch):
    monkeypatch.setattr(threading.Thread, "start", refused)
    assert reach("http://127.0.0.1:4318") == "not asked, the program ends"


def refused(_thread):
    raise RuntimeError("can't create new thread at interpreter shutdown")
