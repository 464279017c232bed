"""What reaches the server, which calls are seen, and whose they are."""

from __future__ import annotations

import asyncio
import copy
import importlib
import json
import pickle
import subprocess
import sys
import threading
from dataclasses import replace
from importlib.metadata import entry_points
from pathlib import Path

import openai
import pytest
from opentelemetry.instrumentation.utils import suppress_instrumentation
from opentelemetry.trace import StatusCode

from demo.server import DemoServer, cue
from spanwatch.core.call import CallStatus, Usage
from spanwatch.otel.openai import OpenAIInstrumentor
from tests.otel.openai.replay import Replay, Reply

MESSAGES = [{"role": "user", "content": "a secret question"}]
CHAT = {"model": "gpt-4o-mini", "messages": MESSAGES}
STREAM = {**CHAT, "stream": True}
ROOT = Path(__file__).resolve().parents[3]
http = importlib.import_module(openai.DefaultHttpxClient.__mro__[1].__module__.partition(".")[0])


def last_body(server: DemoServer):
    return server.state.seen[-1]["body"]


def switched_on(recorded, **more):
    instrumentor = OpenAIInstrumentor()
    instrumentor.instrument(telemetry=recorded.telemetry(**more), skip_dep_check=True)
    return instrumentor


# --- what is sent, and when nothing is seen -------------------------------------------------------------------------


def test_messages_from_an_iterator_reach_the_server_whole(client, server, watched_content):
    given = [{"role": "system", "content": "s"}, *MESSAGES]
    client.chat.completions.create(model="m", messages=(message for message in given))
    assert last_body(server)["messages"] == given
    assert len(json.loads(watched_content.attributes["gen_ai.input.messages"])) == 2


def test_no_header_is_added_inside_a_trace(client, server, watched):
    headers = {"X-App": "1"}
    client.chat.completions.create(**CHAT, extra_headers=headers)
    with_us = server.state.seen[-1]["headers"]
    OpenAIInstrumentor().uninstrument()
    with watched.provider.get_tracer("app").start_as_current_span("agent"):
        client.chat.completions.create(**CHAT, extra_headers=headers)
    assert with_us == server.state.seen[-1]["headers"]
    assert headers == {"X-App": "1"}
    assert "traceparent" not in with_us


def test_suppressed_calls_are_not_seen(client, watched):
    with suppress_instrumentation():
        client.chat.completions.create(**CHAT)
    assert watched.calls == []


def test_calls_of_a_stopped_process_are_not_seen(client, watched):
    watched.live = False
    client.chat.completions.create(**CHAT)
    assert watched.calls == []


def test_other_endpoints_are_not_seen(client, watched):
    client.models.list()
    with pytest.raises(openai.NotFoundError):
        client.moderations.create(input="x")
    assert watched.calls == []


def test_switching_off_restores_every_method(client, recorded):
    classes = {base for client_class in (openai.OpenAI, openai.AsyncOpenAI) for base in client_class.__mro__}
    before = {base: dict(vars(base)) for base in classes}
    instrumentor = switched_on(recorded)
    changed = {base.__name__ for base in classes if dict(vars(base)) != before[base]}
    instrumentor.uninstrument()
    assert changed == {"SyncAPIClient", "AsyncAPIClient"}
    assert {base: dict(vars(base)) for base in classes} == before
    client.chat.completions.create(**CHAT)
    assert recorded.calls == []


def test_switching_off_leaves_a_later_wrapper_in_place(client, recorded):
    instrumentor = switched_on(recorded)
    owner = next(base for base in openai.OpenAI.__mro__ if "request" in vars(base))
    ours = owner.request

    def theirs(*args, **kwargs):
        return ours(*args, **kwargs)

    owner.request = theirs
    try:
        instrumentor.uninstrument()
        assert owner.request is theirs
        client.chat.completions.create(**CHAT)
        assert recorded.calls == []
    finally:
        owner.request = ours.__wrapped__


def test_switched_on_twice_a_call_is_told_once(client, watched):
    OpenAIInstrumentor().instrument(telemetry=watched.telemetry(), skip_dep_check=True)
    client.chat.completions.create(**CHAT)
    assert len(watched.calls) == 1


# --- clients --------------------------------------------------------------------------------------------------------


class Unhashable(openai.OpenAI):
    __hash__ = None  # as a dataclass has

    def __eq__(self, other):
        return self is other


class OwnRequest(openai.OpenAI):
    def request(self, *args, **kwargs):
        return super().request(*args, **kwargs)


@pytest.mark.parametrize("kind", [Unhashable, OwnRequest])
def test_a_subclassed_client_is_seen(kind, server, watched):
    with kind(base_url=server.base_url, api_key="x") as made:
        made.chat.completions.create(**CHAT)
    assert watched.call.server_port == server.port


@pytest.mark.parametrize("derive", [lambda c: c.copy(timeout=9), lambda c: c.with_options(max_retries=1)])
def test_a_derived_client_is_seen(derive, client, watched):
    derive(client).chat.completions.create(**CHAT)
    assert watched.call.usage.input_tokens == 120


def test_a_bare_request_is_seen_whichever_way_its_arguments_are_given(client, watched):
    options = importlib.import_module("openai._models").FinalRequestOptions
    asked = options.construct(method="post", url="/chat/completions", json_data=CHAT)
    client.request(cast_to=object, options=asked)
    client.post("/chat/completions", body=CHAT, cast_to=object)
    assert [call.usage.input_tokens for call in watched.calls] == [120, 120]


PROVIDERS = {
    "https://api.openai.com/v1": "openai",
    "https://eu.api.openai.com/v1": "openai",
    "https://acme.openai.azure.com/openai/v1": "azure.ai.openai",
    "https://openrouter.ai/api/v1": "openrouter",
    "https://api.groq.com/openai/v1": "groq",
    "https://api.deepseek.com": "deepseek",
    "https://api.x.ai/v1": "x_ai",
    "https://api.mistral.ai/v1": "mistral_ai",
    "https://api.perplexity.ai": "perplexity",
    "https://api.moonshot.ai/v1": "moonshot_ai",
    "https://generativelanguage.googleapis.com/v1beta/openai": "gcp.gemini",
    "https://api.anthropic.com/v1": "anthropic",
    "https://llm.acme.example:8443/v1": "_OTHER",
    "http://localhost:11434/v1": "_OTHER",
}
ANSWER = {"id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": "m", "choices": [], "usage": None}


def offline():
    return openai.DefaultHttpxClient(transport=http.MockTransport(lambda _: http.Response(200, json=ANSWER)))


@pytest.mark.parametrize(("url", "provider"), PROVIDERS.items())
def test_the_host_names_the_provider(url, provider, watched):
    with openai.OpenAI(base_url=url, api_key="x", http_client=offline()) as made:
        made.chat.completions.create(**CHAT)
    host, _, port = url.split("/")[2].partition(":")
    assert watched.attributes["gen_ai.provider.name"] == provider
    assert watched.attributes["server.address"] == host
    assert watched.attributes["server.port"] == int(port or 443)


@pytest.mark.parametrize("named", ["llm.acme.example", "llm.acme.example:8443"])
def test_a_host_of_the_users_own_is_whose_models_it_serves(named, recorded):
    url = "https://LLM.acme.example:8443/v1"
    instrumentor = OpenAIInstrumentor()
    instrumentor.instrument(telemetry=replace(recorded.telemetry(), providers={named: "openai"}), skip_dep_check=True)
    try:
        with openai.OpenAI(base_url=url, api_key="x", http_client=offline()) as made:
            made.chat.completions.create(**CHAT)
    finally:
        instrumentor.uninstrument()
    assert recorded.attributes["gen_ai.provider.name"] == "openai"


def test_an_azure_client_is_azure_at_any_address(server, watched):
    made = openai.AzureOpenAI(azure_endpoint=server.root, api_key="x", api_version="2024-10-21", http_client=offline())
    with made:
        made.chat.completions.create(**CHAT)
    assert watched.span.name == "chat gpt-4o-mini"
    assert watched.attributes["gen_ai.provider.name"] == "azure.ai.openai"


def test_a_client_whose_address_changes_is_told_at_the_new_one(client, server, watched):
    client.chat.completions.create(**CHAT)
    client.base_url = server.base_url.replace("127.0.0.1", "localhost")
    client.chat.completions.create(**CHAT)
    assert [call.server_address for call in watched.calls] == ["127.0.0.1", "localhost"]


# --- one call, whatever it takes ------------------------------------------------------------------------------------


def test_retries_are_one_call(server, watched):
    before = server.state.requests
    server.state.failures.clear()
    with openai.OpenAI(base_url=server.base_url, api_key="x", max_retries=2) as made:
        made.chat.completions.create(**CHAT, extra_headers=cue(status=429, fail_first=1, retry_after="0.01"))
    assert server.state.requests - before == 2
    assert (watched.call.status, watched.call.error_type) == (CallStatus.OK, None)
    assert watched.span.status.status_code is StatusCode.UNSET


def test_a_server_that_is_not_there_is_an_error(watched):
    made = openai.OpenAI(base_url="http://127.0.0.1:9/v1", api_key="x", max_retries=0)
    with made, pytest.raises(openai.APIConnectionError):
        made.chat.completions.create(**CHAT)
    assert watched.attributes["error.type"] == "openai.APIConnectionError"


ODD_BODIES = {
    "text": (Reply(b"a secret page", kind="text/html"), CallStatus.OK, None),
    "null": (Reply(b"null"), CallStatus.OK, None),
    "list": (Reply(b"[]"), CallStatus.OK, None),
    "number": (Reply(b"5"), CallStatus.OK, None),
    "odd_fields": (Reply(b'{"choices": {"a": 1}, "usage": "many", "model": 7, "id": []}'), CallStatus.OK, None),
    "odd_choice": (
        Reply(b'{"choices": [null, 5, {"index": "x", "finish_reason": 3}], "usage": []}'),
        CallStatus.OK,
        None,
    ),
    "odd_usage": (
        Reply(b'{"choices": [], "usage": {"prompt_tokens": -1, "completion_tokens": "5", "cost": "free"}}'),
        CallStatus.OK,
        None,
    ),
    "large": (
        Reply(json.dumps({**ANSWER, "choices": [{"message": {"content": "x" * 3_000_000}}]}).encode()),
        CallStatus.OK,
        None,
    ),
    "error": (Reply(b'{"error": {"code": "no_credit", "message": "a secret"}}'), CallStatus.ERROR, "no_credit"),
    "prose_code": (Reply(b'{"error": {"code": "a secret sentence"}}'), CallStatus.ERROR, "_OTHER"),
}


@pytest.mark.parametrize("api", ["chat.completions", "responses", "embeddings", "completions"])
@pytest.mark.parametrize(("reply", "status", "error_type"), ODD_BODIES.values(), ids=ODD_BODIES)
def test_an_odd_answer_is_handed_on_and_told(api, reply, status, error_type, recorded):
    def asked(client):
        create = (client.chat.completions if api == "chat.completions" else getattr(client, api)).create
        given = {"messages": MESSAGES} if api == "chat.completions" else {"input": "x"}
        given = {"prompt": "x"} if api == "completions" else given
        try:
            result = create(model="m", **given)
        except Exception as error:  # noqa: BLE001 (the same with us and without)
            return type(error), str(error)
        return type(result), repr(result)

    with Replay(reply) as replay, openai.OpenAI(base_url=replay.base_url, api_key="x", max_retries=0) as client:
        expected = asked(client)
        instrumentor = switched_on(recorded)
        try:
            found = asked(client)
        finally:
            instrumentor.uninstrument()
    assert found == expected
    if not issubclass(expected[0], Exception):
        assert (recorded.call.status, recorded.call.error_type) == (status, error_type)
        assert recorded.call.usage is None
    assert len(recorded.calls) == 1
    assert "secret" not in repr([recorded.attributes, recorded.extras])


def test_answers_with_one_id_are_calls_of_their_own(watched):
    reply = Reply(json.dumps({**ANSWER, "usage": {"prompt_tokens": 1}}).encode())
    with Replay(reply) as replay, openai.OpenAI(base_url=replay.base_url, api_key="x") as client:
        for _ in range(2):
            client.chat.completions.create(**CHAT)
    assert [(call.response_id, call.usage) for call in watched.calls] == [("chatcmpl-1", Usage(1))] * 2
    assert len({call.call_id for call in watched.calls}) == 2


async def test_concurrent_calls_keep_their_parents(later, watched):
    tracer = watched.provider.get_tracer("app")

    async def agent(number):
        with tracer.start_as_current_span(f"agent {number}") as span:
            model = f"m{number}"
            await asyncio.gather(
                later.chat.completions.create(model=model, messages=MESSAGES, extra_headers=cue(latency=0.01)),
                later.responses.create(model=model, input="x"),
            )
            return model, f"{span.get_span_context().span_id:016x}"

    parents = dict(await asyncio.gather(*(agent(number) for number in range(10))))
    assert len(watched.calls) == 20
    assert all(call.parent_span_id == parents[call.request_model] for call in watched.calls)


def test_concurrent_threads_keep_their_parents(client, watched):
    tracer, parents = watched.provider.get_tracer("app"), {}

    def run(number):
        with tracer.start_as_current_span("agent") as span:
            parents[f"m{number}"] = f"{span.get_span_context().span_id:016x}"
            list(client.chat.completions.create(model=f"m{number}", messages=MESSAGES, stream=True))

    threads = [threading.Thread(target=run, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {call.request_model: call.parent_span_id for call in watched.calls} == parents


def test_copied_and_pickled_objects_work_as_they_do_without_us(client, watched):
    answer = client.chat.completions.create(**CHAT)
    assert pickle.loads(pickle.dumps(answer)) == copy.deepcopy(answer) == answer
    stream = client.chat.completions.create(**STREAM)
    first = next(stream)
    assert pickle.loads(pickle.dumps(first)).to_dict() == copy.deepcopy(first).to_dict() == first.to_dict()
    assert len(list(copy.copy(stream))) == 9
    assert [call.chunks for call in watched.calls] == [0, 10]


# --- processes ------------------------------------------------------------------------------------------------------


def test_a_forked_child_tells_its_own_calls_and_not_its_parents(server):
    script = Path(__file__).with_name("forked.py")
    done = subprocess.run(
        [sys.executable, script, server.base_url], capture_output=True, text=True, timeout=60, check=True, cwd=ROOT
    )
    told = dict(line.split(" ", 1) for line in done.stdout.splitlines())
    assert told == {"child": "ok:10", "parent": "ok:10"}


def test_the_entry_point_alone_sees_calls(server, tmp_path):
    found = [point for point in entry_points(group="opentelemetry_instrumentor") if point.name == "spanwatch-openai"]
    assert [point.load() for point in found] == [OpenAIInstrumentor]
    script = Path(__file__).with_name("entered.py")
    done = subprocess.run(
        [sys.executable, script, server.base_url], capture_output=True, text=True, timeout=60, check=True, cwd=tmp_path
    )
    assert done.stdout.split() == ["chat", "gpt-4o-mini", "1", "restored", "1"]
