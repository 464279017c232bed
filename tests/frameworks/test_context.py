"""Spans of ours join the trace of a web framework's and a client's instrumentation, from and to other services."""

import importlib.util

import pytest

from demo.server import Config, DemoServer
from tests.programs import Place

TRACE, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
APP = f"""
import asyncio, fastapi, httpx, spanwatch
from opentelemetry.instrumentation.fastapi import FastAPIInstrumentor
from opentelemetry.instrumentation.httpx import HTTPXClientInstrumentor
spanwatch.configure(banner="off")
app = fastapi.FastAPI()
FastAPIInstrumentor.instrument_app(app)
HTTPXClientInstrumentor().instrument()
@app.get("/ask")
async def ask():
    with spanwatch.agent("desk"):
        async with openai.AsyncOpenAI(max_retries=0) as later:
            await later.chat.completions.create(model="gpt-4o-mini", messages=[])
        async with httpx.AsyncClient() as other:
            await other.get(str(client.base_url) + "models")
async def main():
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://desk") as caller:
        await caller.get("/ask", headers={{"traceparent": "00-{TRACE}-{PARENT}-01"}})
asyncio.run(main())
assert spanwatch.flush()
"""


@pytest.mark.skipif(importlib.util.find_spec("fastapi") is None, reason="needs fastapi: pip install --group frameworks")
def test_one_trace_leads_from_the_caller_through_the_agent_to_the_next_service(tmp_path):
    with DemoServer(Config()) as server:
        place = Place(tmp_path, server)
        answer = place.python(APP)
        assert answer.returncode == 0, answer.stderr
        outgoing = next(request["headers"] for request in server.seen if request["method"] == "GET")
    rows = place.rows("SELECT name, span_id, parent_id, trace_id FROM spans")
    spans = {name: (span, parent) for name, span, parent, _ in rows}
    assert {trace for *_, trace in rows} == {TRACE}
    assert spans["GET /ask"][1] == PARENT
    assert spans["invoke_agent desk"][1] == spans["GET /ask"][0]
    assert spans["chat gpt-4o-mini"][1] == spans["invoke_agent desk"][0]
    assert outgoing["traceparent"] == f"00-{TRACE}-{spans['GET'][0]}-{outgoing['traceparent'][-2:]}"
    assert spans["GET"][1] == spans["invoke_agent desk"][0]
