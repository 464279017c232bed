"""The other engines, `openai="openllmetry"`, `"genai"` and `"openinference"`, with the real packages."""

import pytest

from demo.server import Config, DemoServer
from spanwatch.core import names
from spanwatch.otel.coverage import ENGINES
from tests.otel.setup.conftest import Sink
from tests.programs import Place

CALLS = """
import asyncio, json, os
import spanwatch
spanwatch.configure(openai=os.environ["ENGINE"], endpoint=os.environ["SINK"], content=os.environ.get("CONTENT"))
M = [{"role": "user", "content": "a secret"}]
TOOLS = [{"type": "function", "function": {"name": "weather", "parameters": {"type": "object", "properties": {}}}}]
USAGE, FAIL = {"stream": True, "stream_options": {"include_usage": True}}, json.dumps({"status": 500})
OBJECT = {"type": "object", "description": "a secret"}
SCHEMA = {"type": "json_schema", "json_schema": {"name": "answer", "schema": OBJECT}}
create = client.chat.completions.create
create(model="gpt-4o-mini", messages=M, metadata={"k": "a secret"}, response_format=SCHEMA)
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
made = client.responses.create(model="gpt-5", input="a secret")
client.responses.retrieve(made.id)
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
UNSEEN = {"genai": {"gpt-3.5-turbo-instruct"}}  # its package has no wrapper for text completions
FAILURES = {"openllmetry": "InternalServerError"}  # others name the module too
SECRETS = ("a secret", "sk-secret", "Error code", "amber birch", "-0.375")


@pytest.fixture(scope="module")
def server():
    with DemoServer(Config()) as running:
        yield running


@pytest.fixture(scope="module", params=list(ENGINES))
def made(request, tmp_path_factory, server):
    """All kinds of calls, once for each engine, with content off."""
    sink, place = Sink(), Place(tmp_path_factory.mktemp("user"), server)
    answer = place.python(CALLS, SINK=sink.url, ENGINE=request.param)
    assert answer.returncode == 0, answer.stderr
    yield request.param, sink, place
    sink.close()


def costs(engine):
    return {model: nano for model, nano in COSTS.items() if model not in UNSEEN.get(engine, ())}


def attributes(span):
    return {
        item.key: getattr(item.value, item.value.WhichOneof("value"))
        for item in span.attributes
        if item.value.WhichOneof("value") not in {"array_value", None}
    }


def test_every_kind_of_call_is_counted_once_and_priced_where_its_usage_is_known(made):
    engine, _, place = made
    rows = place.rows("SELECT request_model, nano_usd FROM calls WHERE counted")
    assert dict(rows) == costs(engine)
    assert len(rows) == len(costs(engine))
    scopes = {scope for (scope,) in place.rows("SELECT DISTINCT scope FROM calls WHERE counted")}
    assert all(scope.startswith(ENGINES[engine].scope) for scope in scopes)
    failure = FAILURES.get(engine, "openai.InternalServerError")
    assert place.rows("SELECT request_model, status, error_type FROM calls WHERE status <> 'ok'") == [
        ("gpt-4.1-nano", "error", failure)
    ]
    assert place.rows(
        "SELECT request_model, cost_status, cost_reason FROM calls WHERE counted AND NOT has_usage ORDER BY 1"
    ) == [
        ("gpt-4.1", "unknown", "no_usage"),
        ("gpt-4.1-nano", "unknown", "no_usage"),
    ]
    assert place.rows(
        "SELECT DISTINCT input_tokens, output_tokens FROM calls WHERE counted AND has_usage ORDER BY 2"
    ) == [(120, None), (120, 48)]


def test_the_spans_go_on_rebuilt_with_their_cost_and_unknown_has_none(made):
    engine, sink, place = made
    expected = sorted(
        (status, nano)
        for status, nano in place.rows("SELECT cost_status, nano_usd / 1e9 FROM calls WHERE counted")
        if nano is not None
    )
    spans = [attributes(span) for span, _, _ in sink.spans()]
    counted = [span for span in spans if names.COST_STATUS in span]
    assert len(counted) == len(costs(engine))
    assert (
        sorted((span[names.COST_STATUS], span[names.COST_USD]) for span in counted if names.COST_USD in span)
        == expected
    )
    assert {span[names.COST_STATUS] for span in counted if names.COST_USD not in span} == {"unknown"}


def test_content_headers_and_exception_texts_stay_off(made):
    _, sink, place = made
    sent = "".join(str(request) for _, request in sink.requests)
    kept = str(place.rows("SELECT body FROM spans")) + str(place.rows("SELECT body FROM logs"))
    for text in SECRETS:
        assert text not in sent
        assert text not in kept
    assert "InternalServerError" in kept


def test_its_metrics_are_not_sent_beside_ours(made):
    engine, sink, _ = made
    assert {scope for _, scope, _ in sink.metrics()} == {names.SCOPE}
    last = {metric.name: metric for metric, _, _ in sink.metrics()}
    assert sum(point.as_int or point.as_double for point in last[names.CALLS.name].sum.data_points) == len(
        costs(engine)
    )
    paid = sum(point.as_double for point in last[names.COST_USD].sum.data_points)
    assert paid == pytest.approx(sum(nano or 0 for nano in costs(engine).values()) / 1e9)


@pytest.mark.parametrize("engine", list(ENGINES))
def test_with_content_on_its_messages_are_there_and_headers_are_not(tmp_path, server, engine):
    sink = Sink()
    try:
        answer = Place(tmp_path, server).python(CALLS, SINK=sink.url, CONTENT="on", ENGINE=engine)
        assert answer.returncode == 0, answer.stderr
        sent = "".join(str(request) for _, request in sink.requests)
        assert "a secret" in sent
        assert "sk-secret" not in sent
    finally:
        sink.close()


@pytest.mark.parametrize("engine", list(ENGINES))
def test_its_missing_package_is_told_with_the_install_line(tmp_path, server, engine):
    module = {"openinference": "openinference.instrumentation.openai"}.get(engine, ENGINES[engine].scope)
    code = f"""
    import sys, spanwatch
    sys.modules["{module}"] = None
    try:
        spanwatch.configure(openai="{engine}")
    except spanwatch.ConfigurationError as error:
        print(error)
    chat()
    """
    answer = Place(tmp_path, server).python(code)
    assert answer.stdout == f"setting openai='{engine}' needs its package: pip install 'spanwatch[{engine}]'\n"
    assert answer.returncode == 0


@pytest.mark.parametrize("engine", list(ENGINES))
def test_spanwatch_run_takes_an_engine(tmp_path, server, engine):
    place = Place(tmp_path, server)
    answer = place.app("print(chat().model)", options=("--openai", engine))
    assert answer.returncode == 0
    assert answer.stdout == "gpt-4o-mini-2026-01-01\n"
    assert f"by {ENGINES[engine].distribution} " in answer.stderr
    assert "not covered: usage of streams that do not ask for it" in answer.stderr
    assert place.calls() == 1


@pytest.mark.parametrize(("engine", "seen"), [("openllmetry", 0), ("genai", 1), ("openinference", 1)])
def test_a_cancelled_call_is_cancelled_where_the_engine_sees_it(tmp_path, server, engine, seen):
    place = Place(tmp_path, server)
    code = f"""
    import asyncio, spanwatch
    spanwatch.configure(openai="{engine}")
    async def late():
        async with openai.AsyncOpenAI(max_retries=0) as client:
            call = client.chat.completions.create(
                model="gpt-4o", messages=[], extra_headers={{"X-Demo": '{{"latency": 30}}'}}
            )
            task = asyncio.create_task(call)
            await asyncio.sleep(0.3)
            task.cancel()
            try:
                await task
            except asyncio.CancelledError:
                print("cancelled")
    asyncio.run(late())
    """
    answer = place.python(code)
    assert (answer.returncode, answer.stdout) == (0, "cancelled\n"), answer.stderr
    assert place.rows("SELECT status, nano_usd FROM calls WHERE counted") == [("cancelled", None)] * seen
