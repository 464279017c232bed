"""A hundred sets of headers from a peer that means ill: what they cost, and that they decide nothing."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.faults.rig import SinkProcess, bare_environment

MIB = 1 << 20

PROGRAM = """
import json, sys, time
from pathlib import Path
import spanwatch
from opentelemetry import context, propagate, trace
from spanwatch.otel.setup import INSTANCE

spanwatch.configure(
    endpoint={url!r}, home={home!r}, openai="none", banner="off", ledger="memory", live_interval=0, exit_timeout=20,
    budgets=[spanwatch.Budget("daily", usd=5, per="user")],
)
CALL = {{"gen_ai.operation.name": "chat", "gen_ai.provider.name": "openai", "gen_ai.request.model": "gpt-4o-mini",
        "gen_ai.usage.input_tokens": 1_000, "gen_ai.usage.output_tokens": 0}}
tracer, count = trace.get_tracer("app"), 0

def resident():
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("VmRSS")).split()[1]) * 1024

def cost(headers):
    global count
    token = context.attach(propagate.extract(headers))
    began = time.thread_time()
    with spanwatch.request("ask", user_id="u-1"):
        tracer.start_span("chat", attributes={{**CALL, "faults.id": count}}).end()
    took = time.thread_time() - began
    context.detach(token)
    count += 1
    return took * 1e3

sets = json.loads(Path({sets!r}).read_text())
plain = min(cost({{}}) for _ in range(50))
for _ in range(10):
    for headers in sets:
        cost(headers)  # as many as are judged, so that caches and queues are as large
spanwatch.flush(20)
before = resident()
costs = [min(cost(headers) for _ in range(10)) for headers in sets]
spanwatch.flush(20)
grown = resident() - before
runtime = INSTANCE.runtime
standings = runtime.budgets.ledger.standings(time.time_ns())
print(json.dumps({{
    "count": count, "plain": plain, "worst": max(costs), "grown": grown,
    "charged": [[each.budget, each.scope, each.tally.spent_nano] for each in standings],
    "targets": sorted({{export.target for export in runtime.settings.exports}}),
}}))
"""


def hostile():
    """Sets of headers: too long, too many, and named as if they were settings."""
    trace = f"00-{'a' * 32}-{'b' * 16}-01"
    named = [
        "endpoint",
        "api_url",
        "OTEL_EXPORTER_OTLP_ENDPOINT",
        "OTEL_EXPORTER_OTLP_HEADERS",
        "SPANWATCH_ENDPOINT",
        "SPANWATCH_HOME",
        "spanwatch.budget",
        "budget",
        "tenant",
        "tenant_id",
        "user.id",
        "enduser.id",
        "session.id",
        "gen_ai.agent.name",
        "gen_ai.conversation.id",
        "attachment",
        "file",
        "path",
        "__proto__",
        "__class__",
    ]
    values = ["http://127.0.0.1:9/", "evil", "../../etc/passwd", "%00%1b%5d0;x%07", "x" * 4_000]
    found = [{"baggage": f"{name}={value}", "traceparent": trace} for name in named for value in values[:4]]
    found += [{"baggage": ",".join(f"k{index}={'v' * 80}" for index in range(100))}]
    found += [{"baggage": f"user.id={values[4]}"}, {"baggage": "," * 8_192}, {"baggage": "=" * 8_192}]
    found += [{"baggage": "user.id=" + "%41" * 2_700}, {"baggage": "a" * 8_192}, {"baggage": "a=b;" * 2_000}]
    states = [",".join(f"k{index}={'s' * 8}" for index in range(512)), "a=" + "x" * 8_000, "," * 8_000, "a" * 8_000]
    found += [{"traceparent": trace, "tracestate": state} for state in states]
    parents = ["00-" + "0" * 32 + "-" + "0" * 16 + "-00", "ff" * 4_000, "00-" + "-" * 8_000, "\x00", "01-zz-zz-zz", ""]
    found += [{"traceparent": parent, "baggage": "budget=evil"} for parent in parents]
    return [*found, *({"baggage": f"user.id=u{index}", "x-api-url": "http://127.0.0.1:9/"} for index in range(3))]


@pytest.mark.skipif(sys.platform != "linux", reason="memory is read from /proc")
def test_a_hundred_hostile_sets_of_headers_cost_little_and_change_neither_destination_nor_budget(tmp_path):
    sets = hostile()
    assert len(sets) == 100
    (tmp_path / "sets.json").write_text(json.dumps(sets))
    (tmp_path / "work").mkdir()
    sink = SinkProcess()
    try:
        given = {"url": sink.url, "home": str(tmp_path / "home"), "sets": str(tmp_path / "sets.json")}
        ended = subprocess.run(
            [sys.executable, "-c", PROGRAM.format(**given)],
            capture_output=True,
            text=True,
            timeout=120,
            cwd=tmp_path / "work",
            env=bare_environment(),
            check=True,
        )
        found = json.loads(ended.stdout)
        assert set(range(found["count"])) == sink.copies().keys()
    finally:
        sink.close()
    assert found["targets"] == [sink.url]
    assert found["charged"] == [
        ["daily", "user.id=u-1", found["count"] * 150_000]
    ]  # 1,000 tokens at 0.15 USD a million
    assert found["worst"] <= 10 * found["plain"] + 1  # CPU milliseconds
    assert found["grown"] <= 8 * MIB
    assert list((tmp_path / "work").iterdir()) == []
    assert {path.name for path in Path(tmp_path).iterdir()} == {"home", "sets.json", "work"}
