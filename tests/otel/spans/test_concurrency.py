"""Many at once: every span under its parent, and every sum exact."""

from __future__ import annotations

import asyncio
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import spanwatch
from spanwatch.core.call import Usage

THREADS, ROUNDS, TASKS = 64, 5, 1_000


def check(told, runs):
    """Each request has its agent, that has its two tools, and each tool its call; sums are exact at every level."""
    rig, spans = told.rig, told.spans()
    by_id = {span.context.span_id: span for span in spans}
    kinds = Counter(span.name.split()[0] for span in spans)
    assert kinds == {"request": runs, "invoke_agent": runs, "execute_tool": 2 * runs, "chat": 2 * runs}
    for span in spans:
        user = span.attributes["user.id"]
        above = {"invoke_agent": "request", "execute_tool": "invoke_agent", "chat": "execute_tool"}
        kind = span.name.split()[0]
        if kind == "request":
            assert span.parent is None
            assert span.name == f"request {user}"
        else:
            parent = by_id[span.parent.span_id]
            assert parent.name.split()[0] == above[kind]
            assert parent.attributes["user.id"] == user
            assert span.context.trace_id == parent.context.trace_id
        if kind in {"request", "invoke_agent"}:
            assert span.attributes["spanwatch.rollup.calls"] == 2
            assert span.attributes["spanwatch.rollup.tool_calls"] == 2
            assert span.attributes["spanwatch.rollup.input_tokens"] == 20
    calls = rig.calls()
    assert len(calls) == 2 * runs
    assert all(by_id[int(call.span_id, 16)].attributes["user.id"] == call.user_id for call in calls)
    assert rig.total("spanwatch.calls") == 2 * runs
    points = rig.points()
    assert sum(count for _, (count, _) in points["gen_ai.execute_tool.duration"]) == 2 * runs
    assert sum(count for _, (count, _) in points["spanwatch.request.duration"]) == runs
    ((_, sums),) = points["gen_ai.invoke_agent.inference_calls"]
    assert sums == (runs, 2 * runs)
    ((_, sums),) = points["gen_ai.invoke_agent.tool_calls"]
    assert sums == (runs, 2 * runs)


def test_64_threads_at_once(told):
    together = threading.Barrier(THREADS)

    @spanwatch.tool("search")
    def search():
        told.rig.call(usage=Usage(input_tokens=10, output_tokens=5))

    @spanwatch.agent("planner")
    def plan():
        search()
        search()

    def work(number):
        together.wait()
        for round_ in range(ROUNDS):
            user = f"u-{number}-{round_}"
            with spanwatch.request(user, user_id=user):
                plan()

    threads = [threading.Thread(target=work, args=(number,)) for number in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    check(told, THREADS * ROUNDS)


def test_1000_tasks_at_once(told):
    @spanwatch.tool("search")
    async def search(gate):
        await gate.wait()
        told.rig.call(usage=Usage(input_tokens=10, output_tokens=5))

    @spanwatch.agent("planner")
    async def plan(gate):
        await asyncio.gather(search(gate), search(gate))

    async def work(number, gate):
        async with spanwatch.request(f"u-{number}", user_id=f"u-{number}"):
            await plan(gate)

    async def main():
        gate = asyncio.Event()
        async with asyncio.TaskGroup() as group:
            for number in range(TASKS):
                group.create_task(work(number, gate))
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            gate.set()

    asyncio.run(main())
    check(told, TASKS)


def test_one_scope_that_all_threads_share_gives_each_its_own_span(told):
    together, shared = threading.Barrier(16), spanwatch.tool("search")

    def work():
        with spanwatch.agent(threading.current_thread().name) as outer:
            with shared as span:
                together.wait()
                assert span.parent.span_id == outer.context.span_id
            together.wait()

    with ThreadPoolExecutor(16) as pool:
        for done in [pool.submit(work) for _ in range(16)]:
            done.result()
    spans = told.spans()
    agents = {span.context.span_id for span in spans if span.name.startswith("invoke_agent")}
    assert len(agents) == 16
    assert {span.parent.span_id for span in spans if span.name == "execute_tool search"} == agents
