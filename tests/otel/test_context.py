"""What rides in the context is on every span, log and metric below, and on nothing else."""

from __future__ import annotations

import asyncio
import contextvars
import logging
import threading

import openai
import pytest
from opentelemetry import baggage, trace
from opentelemetry import context as otel_context
from opentelemetry._logs import LogRecord
from opentelemetry.baggage.propagation import W3CBaggagePropagator
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import InMemoryLogRecordExporter, SimpleLogRecordProcessor
from opentelemetry.sdk.trace import TracerProvider, sampling

import spanwatch
from demo.server import DemoServer
from spanwatch.otel.context import Carried, attach, carried, carrying, detach
from spanwatch.otel.hinges import LogHinge
from spanwatch.otel.openai import OpenAIInstrumentor
from spanwatch.otel.processor import CallProcessor
from spanwatch.otel.setup import INSTANCE
from spanwatch.otel.telemetry import Content
from tests.otel.rig import AGENT, REQUEST, Rig
from tests.otel.spans.conftest import Told

EVERYTHING = {
    "user.id": "u-1",
    "gen_ai.conversation.id": "c-1",
    "gen_ai.agent.name": "planner",
    "spanwatch.app.version": "1.2",
    "spanwatch.tags": ("beta", "eu"),
}


@pytest.fixture
def told(tmp_path, monkeypatch):
    told = Told(Rig(tmp_path / ".spanwatch"))
    monkeypatch.setattr(INSTANCE, "telemetry", told.telemetry(Content()))
    yield told
    told.rig.close()
    assert not told.rig.guard.failures


def everything():
    return spanwatch.request(user_id="u-1", conversation_id="c-1", tags=["beta", "eu"], app_version="1.2")


def test_every_span_below_is_stamped_whoever_starts_it(told):
    with everything(), spanwatch.agent("planner"):
        told.rig.provider.get_tracer("database").start_span("SELECT").end()
        told.rig.foreign({**REQUEST, "gen_ai.usage.input_tokens": 3})
        with spanwatch.tool("search"):
            pass
    assert told.attributes("SELECT") == EVERYTHING
    for name in ("openai.chat", "execute_tool search", "invoke_agent planner"):
        assert told.attributes(name).items() >= EVERYTHING.items(), name
    assert told.attributes("request").items() >= (EVERYTHING.items() - {("gen_ai.agent.name", "planner")})


def test_a_foreign_call_has_them_too(told):
    with everything(), spanwatch.agent("planner"):
        told.rig.foreign({**REQUEST, "gen_ai.usage.input_tokens": 3})
    (call,) = told.rig.calls()
    assert (call.user_id, call.conversation_id, call.agent, call.app_version) == ("u-1", "c-1", "planner", "1.2")


def test_what_a_span_says_itself_stays(told):
    with everything():
        told.rig.tracer.start_span("own", attributes={"user.id": "somebody else"}).end()
    assert told.attributes("own")["user.id"] == "somebody else"


def test_the_nearest_agent_counts_also_when_another_library_opened_it(told):
    with spanwatch.agent("ours"):
        tracer = told.rig.provider.get_tracer("framework")
        with tracer.start_as_current_span("invoke_agent theirs", attributes={**AGENT, "gen_ai.agent.name": "theirs"}):
            tracer.start_span("inside").end()
            told.rig.call(agent="ours")
        with spanwatch.agent("below"):
            told.rig.call(agent="below")
    assert told.attributes("inside")["gen_ai.agent.name"] == "theirs"
    assert [call.agent for call in told.rig.calls()] == ["theirs", "below"]


def test_nothing_is_stamped_after_the_scope_and_nothing_without_one(told):
    with everything():
        pass
    told.rig.tracer.start_span("after").end()
    assert told.attributes("after") == {}
    assert carried() == Carried()


def test_a_stamp_does_not_make_a_genai_span_of_a_span(told, tmp_path):
    """In an application's own provider, spans of other libraries are kept as outlines only."""
    rig = Rig(tmp_path / "joined", whole=False)
    with everything(), spanwatch.agent("planner"):
        rig.provider.get_tracer("database").start_span("SELECT", attributes={"secret": 1}).end()
    rig.close()
    text = b"".join(path.read_bytes() for path in (tmp_path / "joined" / "journal").glob("*.log"))
    assert b"SELECT" in text
    assert b"secret" not in text
    assert b"u-1" not in text


def test_inner_requests_change_what_they_name_and_keep_the_rest(told):
    with everything(), spanwatch.request("inner", user_id="u-2", tags=["eu", "late"]):
        found = carried()
    assert (found.user_id, found.conversation_id, found.tags) == ("u-2", "c-1", ("beta", "eu", "late"))
    assert "spanwatch.request.name" not in told.attributes("request inner")


def test_metrics_have_agent_and_version_and_neither_user_nor_conversation_nor_tags(told):
    with everything(), spanwatch.agent("planner"), spanwatch.tool("search"):
        told.rig.foreign({**REQUEST, "gen_ai.usage.input_tokens": 3})
    points = told.rig.points()
    assert len(points) > 6
    for name, found in points.items():
        for labels, _ in found:
            assert not labels.keys() & {"user.id", "gen_ai.conversation.id", "spanwatch.tags"}, name
    for name in (
        "spanwatch.calls",
        "spanwatch.cost.usd",
        "gen_ai.execute_tool.duration",
        "gen_ai.invoke_agent.duration",
    ):
        ((labels, _),) = points[name]
        assert labels["gen_ai.agent.name"] == "planner", name
        assert labels["spanwatch.app.version"] == "1.2", name
    ((labels, _),) = points["spanwatch.request.duration"]
    assert labels["spanwatch.app.version"] == "1.2"


def test_log_records_are_stamped_from_their_own_context_and_keep_what_they_say(told):
    exporter, provider = InMemoryLogRecordExporter(), LoggerProvider(shutdown_on_exit=False)
    provider.add_log_record_processor(LogHinge(SimpleLogRecordProcessor(exporter), joined=False))
    logger = provider.get_logger("app")
    with everything(), spanwatch.agent("planner"):
        logger.emit(body="inside", attributes={"user.id": "somebody else", "n": 1})
        context = otel_context.get_current()
    logger.emit(body="later", context=context)
    logger.emit(LogRecord(body="outside"))
    inside, later, outside = (record.log_record.attributes for record in exporter.get_finished_logs())
    assert inside == {**EVERYTHING, "user.id": "somebody else", "n": 1}
    assert later == EVERYTHING
    assert not outside
    provider.shutdown()


@pytest.mark.parametrize("sampler", [sampling.ALWAYS_ON, sampling.ALWAYS_OFF])
def test_a_call_of_ours_names_user_conversation_and_agent_also_when_no_span_is_recorded(told, monkeypatch, sampler):
    provider = TracerProvider(sampler=sampler, shutdown_on_exit=False)  # an application's own, joined
    provider.add_span_processor(CallProcessor(told.rig.pipeline, whole=False))
    monkeypatch.setattr(told.rig, "tracer", provider.get_tracer("spanwatch"))
    instrumentor = OpenAIInstrumentor()
    instrumentor.instrument(telemetry=told.telemetry(Content()), skip_dep_check=True)
    try:
        with (
            DemoServer() as server,
            openai.OpenAI(base_url=server.base_url, api_key="x") as client,
            everything(),
            spanwatch.agent("planner"),
        ):
            client.chat.completions.create(model="gpt-4o-mini", messages=[{"role": "user", "content": "Hi"}])
    finally:
        instrumentor.uninstrument()
    (call,) = told.rig.calls()
    assert (call.user_id, call.conversation_id, call.agent, call.app_version) == ("u-1", "c-1", "planner", "1.2")
    assert call.sampled is (sampler is sampling.ALWAYS_ON)
    points = told.rig.points()
    assert ("gen_ai.invoke_agent.inference_calls" in points) is (sampler is sampling.ALWAYS_ON)  # else nobody knows
    assert "gen_ai.invoke_agent.duration" in points


def test_nothing_leaks_to_the_next_request_on_a_pooled_thread(told):
    seen = []

    def requests():
        for name in ("u-1", None, "u-2"):
            with spanwatch.request(user_id=name):
                seen.append(carried().user_id)
        seen.append(carried().user_id)

    thread = threading.Thread(target=requests)
    thread.start()
    thread.join()
    assert seen == ["u-1", None, "u-2", None]


def test_tasks_and_copied_contexts_keep_what_was_carried_when_they_began(told):
    async def main():
        async with spanwatch.request(user_id="u-1"):
            task = asyncio.create_task(later())
            copied = contextvars.copy_context()
        assert carried().user_id is None
        return await task, copied.run(carried).user_id

    async def later():
        await asyncio.sleep(0)
        return carried().user_id

    assert asyncio.run(main()) == ("u-1", "u-1")


def test_baggage_goes_out_only_as_listed(told):
    def headers():
        carrier = {}
        W3CBaggagePropagator().inject(carrier)
        return carrier

    with everything(), spanwatch.agent("planner"):
        assert headers() == {}
    listed = ("user_id", "agent", "tags")
    with (
        spanwatch.request(user_id="ü 1", conversation_id="c-1", tags=["a", "b"], baggage=listed),
        spanwatch.agent("planner"),
    ):
        sent = dict(item.split("=") for item in headers()["baggage"].split(","))
    assert sent == {"user.id": "%C3%BC+1", "spanwatch.tags": "a%2Cb", "gen_ai.agent.name": "planner"}
    assert headers() == {}


def test_inbound_baggage_is_believed_only_when_the_application_trusts_its_caller(told):
    inbound = W3CBaggagePropagator().extract({"baggage": "user.id=u-9,spanwatch.tags=a%2Cb,other=1"})
    token = attach(inbound)
    try:
        with spanwatch.request():
            assert carried() == Carried()
        with spanwatch.request(trust_baggage=True):
            assert (carried().user_id, carried().tags) == ("u-9", ("a", "b"))
        with spanwatch.request(trust_baggage=True, user_id="u-1"):
            assert carried().user_id == "u-1"
        assert baggage.get_baggage("user.id") == "u-9"
    finally:
        detach(token)


def test_a_context_that_cannot_be_taken_off_is_no_noise(caplog):
    caplog.set_level(logging.DEBUG)
    tokens = []
    context = carrying(otel_context.get_current(), Carried(user_id="u-1"))
    contextvars.copy_context().run(lambda: tokens.append(attach(context)))
    detach(tokens[0])
    assert carried().user_id is None
    assert caplog.records == []


def test_the_current_span_is_none_of_ours_outside(told):
    with everything():
        pass
    assert trace.get_current_span() is trace.INVALID_SPAN
