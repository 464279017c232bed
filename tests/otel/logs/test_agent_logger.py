"""AgentLogger: records, lines and what they may say."""

import asyncio
import gc
import json
import sys
import threading

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from opentelemetry.exporter.otlp.proto.common._log_encoder import encode_logs
from opentelemetry.sdk.trace import TracerProvider

import spanwatch
from spanwatch.otel.logs import AgentLogger
from spanwatch.testing import capture

KEY = "sk-proj-" + "a1B2c3D4e5F6g7H8i9J0"


def lines(path):
    text = path.read_text(encoding="ascii")
    assert text.endswith("\n")
    return [json.loads(line) for line in text.split("\n")[:-1]]


@pytest.fixture
def written(tmp_path):
    """A logger with a file and a fixed clock, and what is in the file."""
    log = AgentLogger("orders", file=tmp_path / "logs" / "agent.log", clock=lambda: 1_700_000_000_123_456_789)
    yield log, lambda: lines(tmp_path / "logs" / "agent.log")
    log.close()


def test_each_method_emits_a_record_with_event_name_typed_attributes_and_severity():
    log = AgentLogger("orders")
    with capture() as captured, TracerProvider().get_tracer("app").start_as_current_span("work"):
        log.request("Where is 1042?", user_id="alice", data={"channel": "web", "tries": 2})
        log.response("On its way.", duration_s=1.5)
        log.tool_call("search", {"q": "1042"}, ["hit"], call_id="call_1", duration_s=0.25)
        log.event("cart.changed", {"items": 3, "total": 12.5, "gift": False}, level="warning")
    base = {"gen_ai.agent.name": "orders"}
    assert [(one["event"], one["severity"], one["attributes"]) for one in captured.logs] == [
        (
            "spanwatch.agent.request",
            "INFO",
            base
            | {
                "user.id": "alice",
                "spanwatch.input.size": 14,
                "spanwatch.log.data": {"channel": "web", "tries": 2},
            },
        ),
        (
            "spanwatch.agent.response",
            "INFO",
            base | {"spanwatch.output.size": 11, "spanwatch.outcome": "ok", "spanwatch.log.duration": 1.5},
        ),
        (
            "spanwatch.agent.tool_call",
            "INFO",
            base
            | {
                "gen_ai.tool.name": "search",
                "gen_ai.tool.call.id": "call_1",
                "spanwatch.input.types": "q: str[4]",
                "spanwatch.output.type": "list[1]",
                "spanwatch.outcome": "ok",
                "spanwatch.log.duration": 0.25,
            },
        ),
        ("cart.changed", "WARN", base | {"spanwatch.log.data": {"items": 3, "total": 12.5, "gift": False}}),
    ]


def test_with_content_on_texts_and_values_are_structures_without_secrets():
    log = AgentLogger("orders")
    with capture(content=True) as captured:
        log.request(f"my key is {KEY}")
        log.response("fine")
        log.tool_call("search", {"q": "1042", "api_key": "zzz"}, None)
    request, response, tool = (json.loads(json.dumps(one["attributes"])) for one in captured.logs)
    assert request["gen_ai.input.messages"] == [
        {"role": "user", "parts": [{"type": "text", "content": "my key is [redacted]"}]}
    ]
    assert request["spanwatch.input.size"] == len(f"my key is {KEY}")
    assert response["gen_ai.output.messages"] == [{"role": "assistant", "parts": [{"type": "text", "content": "fine"}]}]
    assert tool["gen_ai.tool.call.arguments"] == {"q": "1042", "api_key": "[redacted]"}


def test_with_content_off_no_text_of_a_request_leaves_by_any_way(written, capsys):
    _, read = written
    log = AgentLogger("orders", console=True)
    with capture() as captured:
        for one in (log, written[0]):
            one.request("SECRETWORD")
            one.response("SECRETWORD")
            one.tool_call("t", {"a": "SECRETWORD"}, "SECRETWORD")
    assert len(captured.logs) == 6
    assert "SECRETWORD" not in json.dumps([captured.logs, read()]) + capsys.readouterr().err


def test_a_record_carries_trace_span_user_conversation_tags_and_its_own_agent(configured, written):
    log, read = written
    begun = configured()
    with (
        spanwatch.request(user_id="alice", conversation_id="c1", tags=["vip"]),
        begun.tracer.start_as_current_span("w") as span,
    ):
        log.event("x")
    (record,) = begun.records()
    context = span.get_span_context()
    assert (record.trace_id, record.span_id) == (context.trace_id, context.span_id)
    expected = {
        "user.id": "alice",
        "gen_ai.conversation.id": "c1",
        "gen_ai.agent.name": "orders",
        "spanwatch.tags": ["vip"],
    }
    assert {**record.attributes, "spanwatch.tags": [*record.attributes["spanwatch.tags"]]} == expected
    assert read() == [
        {
            "time": "2023-11-14T22:13:20.123457Z",
            "severity": "INFO",
            "event": "x",
            "trace_id": f"{context.trace_id:032x}",
            "span_id": f"{context.span_id:016x}",
            "attributes": expected,
        }
    ]


def test_before_configure_and_after_shutdown_nothing_raises_and_the_file_has_all(configured, written):
    log, read = written
    log.event("before")
    begun = configured()
    log.event("during")
    begun.close()
    log.event("after")
    assert [line["event"] for line in read()] == ["before", "during", "after"]
    assert [record.event_name for record in begun.records()] == ["during"]


def failing(first, then, *, linked):
    """An exception that another one led to, as its cause or only in its course."""
    try:
        try:
            fail(first)
        except type(first):
            fail(then, first if linked else None)
    except type(then) as error:
        return error


def fail(error, cause=None):
    if cause is not None:
        raise error from cause
    raise error


def test_an_error_has_type_message_and_stack_with_its_cause(written):
    orders, read = written
    with capture() as captured:
        orders.error(failing(KeyError("row"), ValueError(f"order 12, {KEY}"), linked=True))
    (record,) = captured.logs
    found = record["attributes"]
    assert (record["event"], record["severity"]) == ("spanwatch.agent.error", "ERROR")
    assert found["error.type"] == found["exception.type"] == "ValueError"
    assert found["exception.message"] == "order 12, [redacted]"
    stack = found["exception.stacktrace"]
    assert (
        stack.index("KeyError: 'row'") < stack.index("direct cause") < stack.index("ValueError: order 12, [redacted]")
    )
    assert "test_agent_logger.py" in stack
    assert KEY not in stack
    assert read()[0]["attributes"]["exception.stacktrace"] == stack


def test_with_content_off_messages_that_may_quote_a_prompt_are_left_out_of_message_and_stack():
    quoting = type("BadRequestError", (Exception,), {"__module__": "openai._exceptions"})
    orders = AgentLogger("orders")

    def told(*, content):
        error = failing(quoting("the prompt was: " + "SECRET WORD"), ValueError("no answer"), linked=False)
        with capture(content=content) as captured:
            orders.error(error)
            orders.error(error.__context__)
            orders.error(error.__context__, message="model refused")
        return [one["attributes"] for one in captured.logs]

    outer, inner, worded = told(content=False)
    assert outer["exception.message"] == "no answer"
    assert "exception.message" not in inner
    assert worded["exception.message"] == "model refused"
    assert "SECRET WORD" not in json.dumps([outer, inner, worded])
    assert "BadRequestError" in outer["exception.stacktrace"]
    assert told(content=True)[1]["exception.message"] == "the prompt was: SECRET WORD"


def test_success_is_stated_or_derived_from_an_exception_and_never_from_the_result():
    log = AgentLogger("orders")
    with capture() as captured:
        log.tool_call("t", result=None)
        log.tool_call("t", result="x", error=TimeoutError("late"))
        log.tool_call("t", result="x", ok=False)
        log.tool_call("t", error=TimeoutError("late"), ok=True)
        log.response(None)
    found = [(one["attributes"]["spanwatch.outcome"], one["severity"]) for one in captured.logs]
    assert found == [("ok", "INFO"), ("error", "ERROR"), ("error", "ERROR"), ("ok", "INFO"), ("ok", "INFO")]
    assert captured.logs[1]["attributes"]["error.type"] == "TimeoutError"


def test_what_is_cut_says_so_and_how_long_it_was():
    log = AgentLogger("orders")
    with capture() as captured:
        log.event("x", {"text": "y" * 100_000})
    found = captured.logs[0]["attributes"]
    assert found["spanwatch.log.data"]["text"].endswith("y [cut from 100000 characters]")
    assert len(found["spanwatch.log.data"]["text"]) == 65_536
    assert found["spanwatch.content.cut_bytes"] == 100_000 - 65_536
    assert found["spanwatch.replaced"] == 1


CONTROL = "\r\n\x00\x1b[31m\x1b]0;title\x07\x85\u2028\u202e\x9b2J\ud83d"


def test_one_record_is_one_line_whatever_its_texts_hold(written, capsys):
    log, read = written
    shown = AgentLogger(f"or{CONTROL}ders", console=True)
    for one in (log, shown):
        one.event(f"e{CONTROL}", {f"k{CONTROL}": f"v{CONTROL}"})
    (line,) = read()
    assert line["attributes"]["spanwatch.log.data"] == {f"k{CONTROL[:-1]}\ufffd": f"v{CONTROL[:-1]}\ufffd"}
    text = capsys.readouterr().err
    assert text.count("\n") == 1
    assert text.endswith("\n")
    assert text[:-1].isprintable()
    assert "\\x1b[31m" in text


def test_a_console_line_is_readable_and_has_colour_on_a_terminal_only(monkeypatch, capsys):
    log = AgentLogger("orders", console=True, clock=lambda: 1_700_000_000_123_456_789)
    log.event("cart.changed", {"items": 3}, "error")
    expected = '2023-11-14T22:13:20.123Z ERROR orders cart.changed spanwatch.log.data={"items": 3}\n'
    assert capsys.readouterr().err == expected
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    monkeypatch.delenv("NO_COLOR", raising=False)
    log.event("cart.changed", {"items": 3}, "error")
    assert capsys.readouterr().err == expected.replace("ERROR", "\x1b[31mERROR\x1b[0m")
    monkeypatch.setenv("NO_COLOR", "1")
    log.event("cart.changed", {"items": 3}, "error")
    assert capsys.readouterr().err == expected


class Bad:
    def __str__(self):
        raise RuntimeError

    __repr__ = __len__ = __iter__ = __eq__ = __bool__ = __str__
    __hash__ = object.__hash__


class BadError(Exception):
    def __str__(self):
        raise RuntimeError


def test_bad_input_never_raises_and_keeps_the_record(written):
    log, read = written
    cycle: list = []
    cycle.append(cycle)
    bad = Bad()
    with capture() as captured:
        log.request(bad, user_id=bad, data=bad)
        log.response(bad, duration_s=bad, error=BadError(), ok=None)
        log.tool_call(bad, bad, bad, call_id=bad)
        log.error(bad, message=bad)
        log.error(BadError())
        log.event(bad, {bad: bad, "cycle": cycle, "big": 2**5000, "nan": float("nan")}, level=bad)
        log.event("x", 5, level="loud")
    assert len(read()) == len(captured.logs) == 7
    assert captured.logs[5]["event"] == "<Bad>"
    assert captured.logs[5]["attributes"]["spanwatch.replaced"] >= 3
    assert {one["severity"] for one in captured.logs[5:]} == {"INFO"}


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary(max_size=5) | st.builds(Bad),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=10,
)


@given(st.text(), values, st.dictionaries(st.text(), values, max_size=4))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50)
def test_every_record_can_be_encoded_and_read_back(tmp_path, name, value, data):
    path = tmp_path / "agent.log"
    path.unlink(missing_ok=True)
    log = AgentLogger("orders", file=path)
    with capture(content=True) as captured:
        log.event(name, data)
        log.request(value)
        log.tool_call(name, value, value)
        records = captured._exported.get_finished_logs()
    encode_logs(records).SerializeToString()
    log.close()
    assert len(lines(path)) == 3


def test_a_full_or_missing_place_does_not_reach_the_application(tmp_path, caplog):
    (tmp_path / "file").write_text("")
    log = AgentLogger("orders", file=tmp_path / "file" / "agent.log")
    with capture() as captured:
        log.event("a")
        log.event("b")
    assert [one["event"] for one in captured.logs] == ["a", "b"]
    assert [record.getMessage().count("writing a log file failed") for record in caplog.records] == [1]


def test_the_file_is_opened_late_and_closed_with_its_logger(tmp_path):
    log = AgentLogger("orders", file=tmp_path / "agent.log")
    assert not (tmp_path / "agent.log").exists()
    log.event("a")
    log.close()
    log.event("b")
    del log
    gc.collect()  # an unclosed file would be a warning, and that an error
    assert [line["event"] for line in lines(tmp_path / "agent.log")] == ["a", "b"]


def test_wrong_arguments_are_refused_where_they_are_given():
    with pytest.raises(TypeError, match="agent_id is a name such as 'orders', not int"):
        AgentLogger(5)
    with pytest.raises(ValueError, match="agent_id is empty"):
        AgentLogger(" ")
    with pytest.raises(ValueError, match="max_bytes is -1: give a whole number from 0"):
        AgentLogger("a", max_bytes=-1)
    with pytest.raises(ValueError, match="backups is True"):
        AgentLogger("a", backups=True)


def test_interrupts_pass(written):
    class Interrupting:
        def __str__(self):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        written[0].event("x", {"a": Interrupting()})


def test_threads_and_tasks_log_under_their_own_spans(configured, tmp_path):
    begun = configured()
    log = AgentLogger("orders", file=tmp_path / "agent.log")

    def work(number):
        for step in range(20):
            with spanwatch.request(user_id=f"u{number}"), begun.tracer.start_as_current_span("w") as span:
                log.event("step", {"number": number, "step": step, "span": f"{span.get_span_context().span_id:016x}"})

    async def task(number):
        with spanwatch.request(user_id=f"u{number}"), begun.tracer.start_as_current_span("w") as span:
            await asyncio.sleep(0)
            log.event("step", {"number": number, "step": 0, "span": f"{span.get_span_context().span_id:016x}"})

    async def tasks():
        await asyncio.gather(*(task(number) for number in range(100, 400)))

    threads = [threading.Thread(target=work, args=(number,)) for number in range(16)]
    for thread in threads:
        thread.start()
    asyncio.run(tasks())
    for thread in threads:
        thread.join()
    log.close()
    found = lines(tmp_path / "agent.log")
    assert len(found) == len(begun.records()) == 16 * 20 + 300
    for line in found:
        data = line["attributes"]["spanwatch.log.data"]
        assert line["span_id"] == data["span"]
        assert line["attributes"]["user.id"] == f"u{data['number']}"


def test_a_logger_holds_no_more_after_many_records(tmp_path):
    log = AgentLogger("orders", file=tmp_path / "agent.log", max_bytes=50_000, backups=1)
    for number in range(300):
        log.event(f"e{number}", {"n": number, f"k{number}": Bad()})

    def held():
        gc.collect()
        return len(gc.get_objects())

    before = held()
    for number in range(300, 1_300):
        log.event(f"e{number}", {"n": number, f"k{number}": Bad()})
    assert held() - before < 100
    log.close()
