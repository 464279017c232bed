"""The same calls through all four engines: the same numbers in store, metrics and budgets, and budgets that refuse."""

import json
import sys

import pytest

from demo.server import Config, DemoServer
from spanwatch.core import names
from spanwatch.core.settings import ENGINES
from tests.otel.setup.conftest import Sink
from tests.programs import Place

SEEING = [engine for engine in ENGINES if engine != "none"]
SAME = """
import asyncio, json, os
import spanwatch, spanwatch.budgets
budget = spanwatch.Budget("all", usd=9, window="1d")
spanwatch.configure(openai=os.environ["ENGINE"], endpoint=os.environ["SINK"], budgets=[budget])
M = [{"role": "user", "content": "x"}]
TOOLS = [{"type": "function", "function": {"name": "weather", "parameters": {"type": "object", "properties": {}}}}]
USAGE = {"stream": True, "stream_options": {"include_usage": True}}
create = client.chat.completions.create
create(model="gpt-4o-mini", messages=M)
create(model="gpt-4.1-mini", messages=M, tools=TOOLS)
list(create(model="gpt-4o", messages=M, **USAGE))
try:
    create(model="gpt-4o", messages=M, extra_headers={"X-Demo": json.dumps({"status": 500})})
except openai.InternalServerError:
    pass
async def later():
    async with openai.AsyncOpenAI(max_retries=0) as client:
        await client.chat.completions.create(model="o3-mini", messages=M)
        async for _ in await client.chat.completions.create(model="o3", messages=M, **USAGE):
            pass
        await client.responses.create(model="gpt-5-mini", input="x")
asyncio.run(later())
client.embeddings.create(model="text-embedding-3-small", input="x")
made = client.responses.create(model="gpt-5", input="x")
client.responses.retrieve(made.id)
list(client.responses.create(model="gpt-5-nano", input="x", stream=True))
assert spanwatch.flush()
found, = spanwatch.budgets.status("all")
print(json.dumps([str(found.cost), found.tokens, found.unpriced_calls, str(found.reserved)]))
"""
NANO = 42_000 + 105_600 + 700_000 + 308_000 + 528_000 + 111_600 + 2_400 + 558_000 + 22_320
TOKENS = 8 * 168 + 120


@pytest.fixture(scope="module")
def server():
    with DemoServer(Config()) as running:
        yield running


def summed(sink, name):
    last = {metric.name: metric for metric, _, _ in sink.metrics()}.get(name)
    if last.WhichOneof("data") == "histogram":
        return sum(point.sum for point in last.histogram.data_points)
    return sum(point.as_int or point.as_double for point in last.sum.data_points)


def figures(engine, path, server):
    """What store, metrics and budget say: calls, input and output tokens, dollars each."""
    sink, place = Sink(), Place(path, server)
    try:
        answer = place.python(SAME, SINK=sink.url, ENGINE=engine)
        assert answer.returncode == 0, answer.stderr
        sums = "count(*), sum(input_tokens), sum(output_tokens), sum(nano_usd)"
        stored = place.rows(f"SELECT {sums} FROM calls WHERE counted AND operation <> 'fetch_response'")[0]
        measured = (
            summed(sink, names.CALLS.name),
            summed(sink, names.INPUT_TOKENS.name) + summed(sink, names.EMBEDDINGS_INPUT_TOKENS.name),
            summed(sink, names.OUTPUT_TOKENS.name),
            round(summed(sink, names.COST_USD) * 1e9),
        )
        return stored, measured, json.loads(answer.stdout)
    finally:
        sink.close()


def table(found):
    yield f"{'engine':14}{'where':10}{'calls':>6}{'input':>7}{'output':>7}{'USD':>12}"
    for engine, (stored, measured, (cost, tokens, _, _)) in found.items():
        for where, (calls, asked, made, nano) in (("store", stored), ("metrics", measured)):
            yield f"{engine:14}{where:10}{calls:6.0f}{asked:7.0f}{made:7.0f}{nano / 1e9:12.9f}"
        yield f"{engine:14}{'budget':10}{'':6}{tokens:14}{float(cost):12.9f}"


def test_the_same_calls_give_the_same_numbers_through_every_engine(tmp_path, server, capsys):
    found = {engine: figures(engine, tmp_path / engine, server) for engine in SEEING}
    with capsys.disabled():
        sys.stdout.write("\n".join(["", *table(found), ""]))
    for engine, (stored, measured, budget) in found.items():
        assert tuple(stored) == (10, 8 * 120 + 120, 8 * 48, NANO), engine
        assert tuple(measured) == tuple(stored), engine
        assert (round(float(budget[0]) * 1e9), *budget[1:3], float(budget[3])) == (NANO, TOKENS, 0, 0), engine


REFUSED = """
import asyncio, os, sys
import spanwatch, spanwatch.budgets
budget = spanwatch.Budget("tiny", usd="0.0001", window="1d")
spanwatch.configure(openai=os.environ["ENGINE"], budgets=[budget])
ASKED = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "x"}], "max_tokens": 100}
def refused(call):
    try:
        call()
    except spanwatch.BudgetExceeded as error:
        print(error.budget)
    else:
        print("made")
client.chat.completions.create(**ASKED)
refused(lambda: client.chat.completions.create(**ASKED))
refused(lambda: client.chat.completions.create(**ASKED, stream=True))
refused(lambda: client.responses.create(model="gpt-4o-mini", input="x", max_output_tokens=100))
async def later():
    async with openai.AsyncOpenAI(max_retries=0) as client:
        return await client.chat.completions.create(**ASKED)
refused(lambda: asyncio.run(later()))
found, = spanwatch.budgets.status("tiny")
print(round(float(found.cost) * 1e9), float(found.reserved))
"""


@pytest.mark.parametrize("engine", SEEING)
def test_with_any_engine_a_call_that_does_not_fit_is_refused_before_a_byte_leaves(tmp_path, server, engine):
    place, before = Place(tmp_path, server), len(server.seen)
    answer = place.python(REFUSED, ENGINE=engine)
    assert answer.returncode == 0, answer.stderr
    assert answer.stdout.splitlines() == ["tiny"] * 4 + ["42000 0.0"]
    assert len(server.seen) - before == 1
    assert place.rows("SELECT status, nano_usd FROM calls WHERE counted") == [("ok", 42_000)]
    refused = place.rows("SELECT count(*) FROM calls WHERE status = 'refused'")[0][0]
    assert refused == 4


UNREPORTED = """
import asyncio, json, os, time
import spanwatch, spanwatch.budgets
budget = spanwatch.Budget("all", usd=9, window="1d")
spanwatch.configure(openai=os.environ["ENGINE"], budgets=[budget])
M = [{"role": "user", "content": "x"}]
list(client.chat.completions.create(model="gpt-4o-mini", messages=M, stream=True, max_tokens=100))
async def late():
    async with openai.AsyncOpenAI(max_retries=0) as client:
        headers = {"X-Demo": json.dumps({"latency": 30})}
        call = client.chat.completions.create(model="gpt-4o", messages=M, max_tokens=9, extra_headers=headers)
        task = asyncio.create_task(call)
        await asyncio.sleep(0.5)
        task.cancel()
        try:
            await task
        except asyncio.CancelledError:
            pass
asyncio.run(late())
spanwatch.shutdown(10)
"""


@pytest.mark.parametrize("engine", [engine for engine in SEEING if engine != "spanwatch"])
def test_a_call_whose_usage_the_engine_does_not_know_is_charged_what_the_guard_saw(tmp_path, server, engine):
    place = Place(tmp_path, server)
    answer = place.python(UNREPORTED, ENGINE=engine)
    assert answer.returncode == 0, answer.stderr
    assert place.rows("SELECT count(*) FROM calls WHERE counted AND nano_usd IS NOT NULL") == [(0,)]
    status = place.python(
        "import spanwatch.budgets\nfor f in spanwatch.budgets.status(): print(f.cost > 0, f.reserved)"
    )
    assert status.stdout.split() == ["True", "0"], status.stderr


AGAIN = """
import spanwatch, spanwatch.budgets
def engaged():
    spanwatch.configure(openai="openinference", budgets=[spanwatch.Budget("tiny", usd="0.0001", window="1d")])
engaged()
chat(max_tokens=100)
spanwatch.shutdown()
chat(max_tokens=100)
engaged()
try:
    chat(max_tokens=100)
except spanwatch.BudgetExceeded:
    print("refused")
"""


def test_the_guard_is_there_again_after_another_configure(tmp_path, server):
    place = Place(tmp_path, server)
    answer = place.python(AGAIN)
    assert (answer.returncode, answer.stdout) == (0, "refused\n"), answer.stderr
    assert place.rows("SELECT status FROM calls WHERE counted") == [("ok",)]
