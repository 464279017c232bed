"""A store that a few processes have filled, the same every time, and the command line run in process."""

import itertools
from pathlib import Path

from spanwatch.cli.main import main
from spanwatch.core import names
from spanwatch.core.call import CallStatus, Cost, CostReason, CostStatus, Usage
from tests.store import rig
from tests.store.rig import SECOND, START_NS

GOLDEN = Path(__file__).parent / "golden"
FIRST, SECOND_TRACE = "4bf92f3577b34da6a3ce929d0e0e4736", "4c" + "0" * 30


def ids():
    """Call ids, the same at every start."""
    return (f"{number:032x}" for number in itertools.count(1))


def fill(home):
    """Two traces: one of an agent with four calls, one of which nothing was sampled."""
    numbers = ids()

    def span(number, name, start, end, parent=None, **more):
        body = rig.span(t=FIRST, s=f"{number:016x}", n=name, b=START_NS + int(start * SECOND), **more)
        return {**body, "e": START_NS + int(end * SECOND), **({"p": f"{parent:016x}"} if parent else {})}

    def call(number, start, end, **more):
        return rig.call(
            call_id=next(numbers), trace_id=FIRST, span_id=f"{number:016x}", parent_span_id=f"{2:016x}",
            started_ns=START_NS + int(start * SECOND), duration_ns=int((end - start) * SECOND), user_id="alice",
            agent="orders", **more,
        )  # fmt: skip

    failed = {"status": CallStatus.ERROR, "error_type": "RateLimitError", "response_model": None, **rig.unknown()}
    rig.keep(
        home,
        call(3, 0.1, 0.9, cost=Cost(27_830_000, CostStatus.PRICED, source="genai-prices"), finish_reasons=("stop",)),
        call(4, 1.0, 2.5, stream=True, time_to_first_chunk_s=0.42, chunks=9, usage=Usage(9_000, 1_200, 8_000),
             cost=Cost(1_234_567_890, CostStatus.APPROXIMATE, (CostReason.PROVIDER_ASSUMED,))),
        call(5, 2.5, 2.6, **failed),
        call(6, 2.6, 3.0, request_model="acme-1", response_model="acme-1",
             cost=Cost(None, CostStatus.UNKNOWN, (CostReason.NO_PRICE,))),
        rig.call(call_id=next(numbers), trace_id=SECOND_TRACE, span_id="f" * 16, sampled=False, user_id="bob",
                 started_ns=START_NS + 60 * SECOND, response_model="o4-mini", request_model="o4-mini",
                 cost=Cost(5, CostStatus.PRICED), usage=Usage(50, 7, reasoning_tokens=5)),
        rig.call(call_id=next(numbers), trace_id=SECOND_TRACE, span_id="e" * 16, sampled=False, **rig.unknown(),
                 started_ns=START_NS + 61 * SECOND, status=CallStatus.ABANDONED, stream=True, charged_nano_usd=21_450),
        spans=[
            span(1, "invoke_workflow ticket", 0, 3.1, kd=0, a=worked(names.INVOKE_WORKFLOW, "ok", request="ticket")),
            span(2, "invoke_agent orders", 0.05, 3.05, 1, kd=0, a=worked(names.INVOKE_AGENT, "ok", agent="orders")),
            span(3, "chat gpt-4o", 0.1, 0.9, 2),
            span(4, "chat gpt-4o", 1.0, 2.5, 2),
            span(5, "chat gpt-4o", 2.5, 2.6, 2, st=[2, "429"]),
            span(6, "chat acme-1", 2.6, 3.0, 2),
            span(7, "execute_tool order_status", 3.0, 3.02, 2, kd=0, st=[2, None],
                 a=worked(names.EXECUTE_TOOL, "error", tool="order_status", error="TimeoutError")),
            span(8, "lost and found", 3.05, 3.06, 99, kd=0),
        ],
        logs=[{"ts": START_NS, "t": FIRST, "s": f"{2:016x}", "body": "x"}],
        run="r1",
        instance="a" * 32,
    )  # fmt: skip


def worked(operation, outcome, *, request=None, agent=None, tool=None, error=None):
    """The attributes of a span of a scope."""
    found = {
        names.OPERATION_NAME: operation, names.OUTCOME: outcome, names.REQUEST_NAME: request, names.AGENT_NAME: agent,
        names.TOOL_NAME: tool, names.ERROR_TYPE: error,
    }  # fmt: skip
    return {name: value for name, value in found.items() if value is not None}


def run(capsys, *words):
    """Exit code, stdout and stderr of one command line."""
    try:
        code = main(list(words))
    except SystemExit as error:
        code = error.code
    answer = capsys.readouterr()
    return code, answer.out, answer.err
