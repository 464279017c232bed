"""A call that the client makes again after a failure is one call: in store, metrics, budgets and roll-ups."""

import json

import pytest

from demo.server import Config, DemoServer
from spanwatch.core import names
from tests.otel.setup.conftest import Sink
from tests.otel.test_four_engines import SEEING, summed
from tests.programs import Place

RETRIED = """
import asyncio, json, os
import spanwatch, spanwatch.budgets
budget = spanwatch.Budget("all", usd=9, window="1d")
spanwatch.configure(openai=os.environ["ENGINE"], endpoint=os.environ["SINK"], budgets=[budget])
def failing(status):
    return {"X-Demo": json.dumps({"status": status, "fail_first": 2, "retry_after": "0.01"})}
async def later():
    async with openai.AsyncOpenAI(max_retries=2) as asker:
        await asker.responses.create(model="gpt-4o-mini", input="x", extra_headers=failing(500))
with spanwatch.agent("desk"), openai.OpenAI(max_retries=2) as asker:
    M = [{"role": "user", "content": "x"}]
    asker.chat.completions.create(model="gpt-4o-mini", messages=M, extra_headers=failing(429))
    asyncio.run(later())
assert spanwatch.flush()
found, = spanwatch.budgets.status("all")
print(json.dumps([str(found.cost), found.tokens, found.unpriced_calls, str(found.reserved)]))
"""
SUMS = (names.ROLLUP_CALLS, names.ROLLUP_ERRORS, names.ROLLUP_COST_USD)


@pytest.mark.parametrize("engine", SEEING)
def test_a_call_that_is_retried_counts_once_everywhere_with_any_engine(tmp_path, engine):
    sink = Sink()
    try:
        with DemoServer(Config()) as server:
            place = Place(tmp_path, server)
            answer = place.python(RETRIED, SINK=sink.url, ENGINE=engine)
            assert answer.returncode == 0, answer.stderr
            assert len(server.seen) == 6  # each call was sent three times
        assert place.rows("SELECT status, nano_usd FROM calls WHERE counted") == [("ok", 42_000)] * 2
        assert summed(sink, names.CALLS.name) == 2
        assert summed(sink, names.COST_USD) == pytest.approx(0.000084)
        cost, tokens, unpriced, reserved = json.loads(answer.stdout)
        assert (float(cost), tokens, unpriced, float(reserved)) == (0.000084, 2 * 168, 0, 0)
        body = json.loads(place.rows("SELECT body FROM spans WHERE name = 'invoke_agent desk'")[0][0])
        assert [body["a"].get(name) for name in SUMS] == [2, 0, pytest.approx(0.000084)]
    finally:
        sink.close()
