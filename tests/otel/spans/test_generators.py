"""Generators: their spans end once however they end, and their context is never the consumer's."""

from __future__ import annotations

import asyncio
import contextvars
import gc
import logging
import threading
import weakref

import pytest
from opentelemetry.trace import get_current_span

import spanwatch


@pytest.fixture(autouse=True)
def quiet(caplog):
    """Nothing is logged, least of all "Failed to detach context"."""
    caplog.set_level(logging.WARNING)
    yield
    assert [record.getMessage() for record in caplog.records] == []


def current():
    return getattr(get_current_span(), "name", None)


@spanwatch.agent("streamer")
def stream(n=3):
    for index in range(n):
        with spanwatch.tool(f"step {index}"):
            pass
        yield current()
    return "done"


@spanwatch.agent("streamer")
async def astream(n=3):
    for index in range(n):
        with spanwatch.tool(f"step {index}"):
            await asyncio.sleep(0)
        yield current()


def outcome(told):
    return told.attributes("invoke_agent streamer")["spanwatch.outcome"]


def test_the_span_is_current_inside_and_never_for_the_consumer(told):
    seen = []
    for inside in stream():
        with spanwatch.tool("of the consumer"):
            seen.append((inside, current()))
    assert seen == [("invoke_agent streamer", "execute_tool of the consumer")] * 3
    assert outcome(told) == "ok"
    found = {(span.name, span.parent is None) for span in told.spans()}
    assert found == {
        ("execute_tool of the consumer", True),
        ("invoke_agent streamer", True),
        *((f"execute_tool step {index}", False) for index in range(3)),
    }
    assert told.attributes("invoke_agent streamer")["spanwatch.output.items"] == 3


def test_the_span_is_current_inside_an_asynchronous_one_and_never_for_the_consumer(told):
    async def main():
        async for inside in astream():
            assert (inside, current()) == ("invoke_agent streamer", None)

    asyncio.run(main())
    assert outcome(told) == "ok"
    assert told.parents()["execute_tool step 2"] == "invoke_agent streamer"


def test_values_go_in_exceptions_go_in_and_the_return_value_comes_out(told):
    @spanwatch.tool("echo")
    def echo():
        got = yield "first"
        try:
            yield got
        except KeyError:
            yield "caught"
        return "end"

    def outer():
        result = yield from echo()
        yield result

    generator = outer()
    assert next(generator) == "first"
    assert generator.send("sent") == "sent"
    assert generator.throw(KeyError()) == "caught"
    assert next(generator) == "end"
    assert told.attributes("execute_tool echo")["spanwatch.outcome"] == "ok"


def test_values_and_exceptions_go_into_an_asynchronous_one(told):
    @spanwatch.tool("echo")
    async def echo():
        got = yield "first"
        try:
            yield got
        except KeyError:
            yield "caught"

    async def main():
        generator = echo()
        assert await generator.asend(None) == "first"
        assert await generator.asend("sent") == "sent"
        assert await generator.athrow(KeyError()) == "caught"
        assert [item async for item in generator] == []

    asyncio.run(main())
    assert told.attributes("execute_tool echo")["spanwatch.outcome"] == "ok"


def test_an_exception_inside_is_an_error_and_reaches_the_consumer(told):
    @spanwatch.agent("streamer")
    def failing():
        yield 1
        raise ValueError("no more")

    @spanwatch.agent("streamer")
    async def later():
        yield 1
        raise ValueError("no more")

    async def main():
        async for _ in later():
            pass

    with pytest.raises(ValueError, match="no more"):
        list(failing())
    with pytest.raises(ValueError, match="no more"):
        asyncio.run(main())
    assert [span.attributes["error.type"] for span in told.spans()] == ["ValueError", "ValueError"]


def test_one_that_is_closed_early_is_cancelled(told):
    generator = stream()
    next(generator)
    generator.close()
    assert outcome(told) == "cancelled"
    assert told.attributes("invoke_agent streamer")["spanwatch.output.items"] == 1


def test_one_that_is_dropped_is_cancelled_when_it_is_collected(told):
    generator = stream()
    next(generator)
    cycle = [generator]
    cycle.append(cycle)
    del generator, cycle
    told.collected()
    assert outcome(told) == "cancelled"


def test_a_dropped_one_that_is_collected_inside_a_lock_of_the_pipeline_does_not_deadlock(told):
    generator = stream()
    next(generator)
    lock = threading.Lock()  # as a processor of the SDK holds one
    end = told.rig.tracer.start_span("x").__class__.end

    def locked(self, *args):
        with lock:
            end(self, *args)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(told.rig.tracer.start_span("x").__class__, "end", locked)
        with lock:
            del generator
            gc.collect()
        told.collected()
    assert outcome(told) == "cancelled"


def test_one_that_is_never_begun_leaves_no_span(told):
    stream()
    astream()
    told.collected()
    assert told.spans() == []


def test_a_break_out_of_an_asynchronous_one_is_cancelled(told):
    async def main():
        async for _ in astream():
            break
        gc.collect()
        await asyncio.sleep(0.01)

    asyncio.run(main())
    assert outcome(told) == "cancelled"


def test_an_asynchronous_one_closed_in_another_task_is_cancelled(told):
    async def main():
        generator = astream()
        await anext(generator)
        await asyncio.create_task(generator.aclose())
        assert current() is None

    asyncio.run(main())
    assert outcome(told) == "cancelled"


def test_an_asynchronous_one_whose_steps_are_taken_by_different_tasks_is_one_span(told):
    async def main():
        generator = astream()
        seen = [await asyncio.wait_for(asyncio.create_task(_next(generator)), 1) for _ in range(3)]
        assert seen == ["invoke_agent streamer"] * 3
        assert [item async for item in generator] == []

    asyncio.run(main())
    assert outcome(told) == "ok"
    assert told.parents()["execute_tool step 2"] == "invoke_agent streamer"


async def _next(generator):
    return await anext(generator)


def test_an_asynchronous_one_cancelled_inside_a_step_is_cancelled(told):
    @spanwatch.agent("streamer")
    async def stuck():
        yield 1
        await asyncio.Event().wait()

    async def main():
        async for _ in stuck():
            pass

    async def limited():
        await asyncio.wait_for(main(), 0.01)

    with pytest.raises(TimeoutError):
        asyncio.run(limited())
    assert outcome(told) == "cancelled"


def test_a_loop_that_ends_with_a_step_pending_loses_no_span(told):
    loop = asyncio.new_event_loop()

    async def step():
        async for _ in astream():
            await asyncio.Event().wait()

    task = loop.create_task(step())
    loop.run_until_complete(asyncio.sleep(0.01))
    task.cancel()
    loop.run_until_complete(asyncio.gather(task, return_exceptions=True))
    del task
    loop.run_until_complete(loop.shutdown_asyncgens())
    loop.close()
    told.collected()
    assert outcome(told) == "cancelled"


def test_steps_on_different_threads_are_one_span(told):
    generator, seen = stream(), []
    for _ in range(3):
        thread = threading.Thread(target=lambda: seen.append(next(generator)))
        thread.start()
        thread.join()
    assert list(generator) == []
    assert seen == ["invoke_agent streamer"] * 3
    assert told.parents()["execute_tool step 2"] == "invoke_agent streamer"


def test_one_that_is_iterated_after_its_request_still_belongs_to_it(told):
    """As a web framework does with a streamed response."""
    with spanwatch.request("ask", user_id="u-1"):
        response = stream()
    list(response)
    assert told.parents()["invoke_agent streamer"] == "request ask"
    assert told.attributes("execute_tool step 0")["user.id"] == "u-1"


def test_two_that_are_interleaved_do_not_mix(told):
    @spanwatch.agent("a")
    def one():
        yield current()
        yield current()

    @spanwatch.agent("b")
    def two():
        yield current()
        yield current()

    assert list(zip(one(), two(), strict=True)) == [("invoke_agent a", "invoke_agent b")] * 2
    told.collected()
    assert set(told.parents().values()) == {None}


def test_a_with_block_in_an_asynchronous_generator_that_is_left_loses_no_span_and_says_nothing(told):
    async def careless():
        with spanwatch.agent("streamer"):
            yield 1
            yield 2

    async def main():
        async for _ in careless():
            break
        gc.collect()
        await asyncio.sleep(0.01)

    asyncio.run(main())
    assert outcome(told) == "cancelled"


def test_a_with_block_in_a_generator_leaves_the_consumers_span_alone(told):
    def careless():
        with spanwatch.agent("streamer"):
            yield 1

    def consumer():
        generator = careless()
        next(generator)
        with spanwatch.tool("of the consumer"):
            assert list(generator) == []
            assert current() == "execute_tool of the consumer"

    contextvars.copy_context().run(consumer)
    assert outcome(told) == "ok"


def test_what_a_careless_generator_leaves_behind_is_nothing_to_the_next_request(told):
    def careless():
        with spanwatch.request("first", user_id="u-1"):
            yield 1

    def thread():
        generator = careless()
        next(generator)
        with spanwatch.tool("of the consumer"):
            list(generator)
        with spanwatch.request("second"):
            pass

    contextvars.copy_context().run(thread)
    assert told.span("request second").parent is None
    assert "user.id" not in told.attributes("request second")
    ended = {labels["spanwatch.request.name"] for labels, _ in told.rig.points()["spanwatch.request.duration"]}
    assert ended == {"first", "second"}


def test_a_coroutine_that_is_dropped_half_way_is_cancelled(told):
    @spanwatch.agent("streamer")
    async def half():
        await asyncio.sleep(10)

    loop = asyncio.new_event_loop()
    begun = [half()]

    async def poke():
        begun[0].send(None)

    loop.run_until_complete(poke())
    begun.clear()
    loop.close()
    told.collected()
    assert outcome(told) == "cancelled"
    assert current() is None


def test_an_exception_thrown_in_is_held_by_nobody_afterwards(told):
    class Held(Exception):  # noqa: N818 (it has no other purpose)
        pass

    def attempt():
        generator = stream()
        next(generator)
        try:
            generator.throw(Held())
        except Held as error:
            return weakref.ref(error)

    gc.collect()
    gc.disable()
    try:
        assert attempt()() is None
    finally:
        gc.enable()
