"""Ours and OpenLLMetry's instrumentation on one client."""

import sqlite3
from contextlib import closing

import pytest

from demo.server import Config, DemoServer
from spanwatch.store.projection import project
from tests.programs import Place


@pytest.fixture(scope="module")
def server():
    with DemoServer(Config()) as running:
        yield running


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
