"""The second engine, `openai="openllmetry"`, with the real package, and ours beside it."""

import sqlite3
from contextlib import closing

import pytest

from demo.server import Config, DemoServer
from spanwatch.core import names
from spanwatch.store.projection import project
from tests.otel.setup.conftest import Sink
from tests.programs import Place

SCOPE = "opentelemetry.instrumentation.openai.v1"
CALLS = """
import asyncio, json, os
import spanwatch
spanwatch.configure(openai="openllmetry", endpoint=os.environ["SINK"], content=os.environ.get("CONTENT"))
M = [{"role": "user", "content": "a secret"}]
TOOLS = [{"type": "function", "function": {"name": "weather", "parameters": {"type": "object", "properties": {}}}}]
USAGE, FAIL = {"stream": True, "stream_options": {"include_usage": True}}, json.dumps({"status": 500})
create = client.chat.completions.create
create(model="gpt-4o-mini", messages=M)
list(create(model="gpt-4o", messages=M, **USAGE))
list(create(model="gpt-4.1", messages=M, stream=True))
create(model="gpt-4.1-mini", messages=M, tools=TOOLS)
try:
    create(model="gpt-4.1-nano", messages=M, extra_headers={"X-Demo": FAIL, "X-Key": "sk-secret"})
except openai.InternalServerError:
    pass
async def later():
    async with openai.AsyncOpenAI(max_retries=0) as client:
        await client.chat.completions.create(model="o3-mini", messages=M)
        async for _ in await client.chat.completions.create(model="o3", messages=M, **USAGE):
            pass
        await client.responses.create(model="gpt-5-mini", input="a secret")
asyncio.run(later())
client.embeddings.create(model="text-embedding-3-small", input="a secret")
client.responses.create(model="gpt-5", input="a secret")
list(client.responses.create(model="gpt-5-nano", input="a secret", stream=True))
client.completions.create(model="gpt-3.5-turbo-instruct", prompt="a secret")
assert spanwatch.flush()
"""
# What each costs: 56 new, 64 cached and 48 output tokens (embeddings: 120), by the list prices of genai-prices 0.2.
COSTS = {
    "gpt-4o-mini": 42_000,
    "gpt-4o": 700_000,
    "gpt-4.1": None,
    "gpt-4.1-mini": 105_600,
    "gpt-4.1-nano": None,
    "o3-mini": 308_000,
    "o3": 528_000,
    "gpt-5-mini": 111_600,
    "text-embedding-3-small": 2_400,
    "gpt-5": 558_000,
    "gpt-5-nano": 22_320,
    "gpt-3.5-turbo-instruct": 276_000,
}


@pytest.fixture(scope="module")
def server():
    with DemoServer(Config()) as running:
        yield running


@pytest.fixture(scope="module")
def made(tmp_path_factory, server):
    """All kinds of calls, once, with content off."""
    sink, place = Sink(), Place(tmp_path_factory.mktemp("user"), server)
    answer = place.python(CALLS, SINK=sink.url)
    assert answer.returncode == 0, answer.stderr
    yield sink, place
    sink.close()


def attributes(span):
    return {
        item.key: getattr(item.value, item.value.WhichOneof("value"))
        for item in span.attributes
        if item.value.WhichOneof("value") != "array_value"
    }


def test_every_kind_of_call_is_counted_once_and_priced_where_its_usage_is_known(made):
    _, place = made
    rows = place.rows("SELECT request_model, nano_usd FROM calls WHERE counted")
    assert dict(rows) == COSTS
    assert len(rows) == len(COSTS)
    assert place.rows("SELECT DISTINCT scope FROM calls") == [(SCOPE,)]
    assert place.rows("SELECT request_model, status, error_type FROM calls WHERE status <> 'ok'") == [
        ("gpt-4.1-nano", "error", "InternalServerError")
    ]
    assert place.rows("SELECT request_model, cost_status, cost_reason FROM calls WHERE NOT has_usage") == [
        ("gpt-4.1", "unknown", "no_usage"),
        ("gpt-4.1-nano", "unknown", "no_usage"),
    ]
    assert place.rows("SELECT DISTINCT input_tokens, output_tokens FROM calls WHERE has_usage ORDER BY 2") == [
        (120, None),
        (120, 48),
    ]


def test_the_spans_go_on_rebuilt_with_their_cost_and_unknown_has_none(made):
    sink, _ = made
    spans = {attributes(span)[names.REQUEST_MODEL]: attributes(span) for span, scope, _ in sink.spans()}
    assert {scope for _, scope, _ in sink.spans()} == {SCOPE}
    assert len(sink.spans()) == len(COSTS)
    for model, nano in COSTS.items():
        found = spans[model]
        assert found.get(names.COST_USD) == found.get(names.USAGE_COST) == (None if nano is None else nano / 1e9)
        assert (found[names.COST_STATUS] == "unknown") == (nano is None)
    assert spans["gpt-4o-mini"][names.PROVIDER_NAME] == "openai"


def test_content_headers_and_exception_texts_stay_off(made):
    sink, place = made
    sent = "".join(str(request) for _, request in sink.requests)
    kept = str(place.rows("SELECT body FROM spans")) + str(place.rows("SELECT body FROM logs"))
    for text in ("a secret", "sk-secret", "Error code", "amber birch"):
        assert text not in sent
        assert text not in kept
    assert "InternalServerError" in kept


def test_its_metrics_are_not_sent_beside_ours(made):
    sink, _ = made
    assert {scope for _, scope, _ in sink.metrics()} == {names.SCOPE}
    last = {metric.name: metric for metric, _, _ in sink.metrics()}
    assert sum(point.as_int or point.as_double for point in last[names.CALLS.name].sum.data_points) == len(COSTS)
    paid = sum(point.as_double for point in last[names.COST_USD].sum.data_points)
    assert paid == pytest.approx(sum(nano or 0 for nano in COSTS.values()) / 1e9)


def test_with_content_on_its_messages_are_there_and_headers_are_not(tmp_path, server):
    sink = Sink()
    try:
        answer = Place(tmp_path, server).python(CALLS, SINK=sink.url, CONTENT="on")
        assert answer.returncode == 0, answer.stderr
        sent = "".join(str(request) for _, request in sink.requests)
        assert "a secret" in sent
        assert "sk-secret" not in sent
    finally:
        sink.close()


def test_its_missing_package_is_told_with_the_install_line(tmp_path, server):
    code = """
    import sys, spanwatch
    sys.modules["opentelemetry.instrumentation.openai"] = None
    try:
        spanwatch.configure(openai="openllmetry")
    except spanwatch.ConfigurationError as error:
        print(error)
    chat()
    """
    answer = Place(tmp_path, server).python(code)
    assert answer.stdout == ("setting openai='openllmetry' needs its package: pip install 'spanwatch[openllmetry]'\n")
    assert answer.returncode == 0


STACKED = """
import asyncio, spanwatch
from opentelemetry.instrumentation.openai import OpenAIInstrumentor as Theirs
def ours(): spanwatch.configure(sample={sample})
def theirs(): Theirs().instrument()
{first}(); {second}()
M = [{{"role": "user", "content": "x"}}]
USAGE = {{"stream": True, "stream_options": {{"include_usage": True}}}}
client.chat.completions.create(model="gpt-4o-mini", messages=M)
list(client.chat.completions.create(model="gpt-4o-mini", messages=M, **USAGE))
list(client.chat.completions.create(model="gpt-4o-mini", messages=M, stream=True))
next(iter(client.chat.completions.create(model="gpt-4o-mini", messages=M, stream=True))); import gc; gc.collect()
client.responses.create(model="gpt-4o-mini", input="x")
list(client.responses.create(model="gpt-4o-mini", input="x", stream=True))
client.embeddings.create(model="text-embedding-3-small", input="x")
try: client.chat.completions.create(model="gpt-4o-mini", messages=M, extra_headers={{"X-Demo": '{{"status": 500}}'}})
except openai.InternalServerError: pass
async def later():
    async with openai.AsyncOpenAI(max_retries=0) as client:
        await client.chat.completions.create(model="gpt-4o-mini", messages=M)
        async for _ in await client.chat.completions.create(model="gpt-4o-mini", messages=M, **USAGE): pass
        await client.responses.create(model="gpt-4o-mini", input="x")
asyncio.run(later())
"""


@pytest.mark.parametrize("sample", [1.0, 0.0])
@pytest.mark.parametrize(("first", "second"), [("ours", "theirs"), ("theirs", "ours")])
def test_ours_and_theirs_on_one_client_count_every_call_once(tmp_path, server, first, second, sample):
    place = Place(tmp_path, server)
    answer = place.python(STACKED.format(first=first, second=second, sample=sample))
    assert answer.returncode == 0, answer.stderr
    project(tmp_path / ".spanwatch")
    with closing(sqlite3.connect(tmp_path / ".spanwatch" / "store.db")) as db:
        calls = db.execute("SELECT status, has_usage, input_tokens, nano_usd FROM calls WHERE counted").fetchall()
    assert len(calls) == 11, calls
    assert sum(status == "error" for status, *_ in calls) == 1
    known = [(tokens, nano) for _, has_usage, tokens, nano in calls if has_usage]
    assert len(known) == 9  # all but the failed one and the abandoned one
    assert {tokens for tokens, _ in known} == {120}
    assert sorted(nano for _, nano in known) == [2_400] + [42_000] * 8
