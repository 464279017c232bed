"""However a stream ends, its call ends once, with what was received and nothing made up."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import gc
import threading
import time

import openai
import pytest
from opentelemetry.trace import StatusCode

from demo.server import cue
from spanwatch.core.call import CallStatus
from spanwatch.otel.openai import OpenAIInstrumentor
from tests.otel.openai.replay import Replay

CHAT = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "hi"}], "stream": True}
RESPONSE = {"model": "gpt-4o-mini", "input": "hi", "stream": True}


def assert_abandoned(told, chunks=1):
    call = told.call
    assert call.status is CallStatus.ABANDONED
    assert (call.usage, call.error_type, call.chunks) == (None, None, chunks)
    assert call.response_model == ("gpt-4o-mini-2026-01-01" if chunks else None)
    assert told.span.status.status_code is StatusCode.UNSET
    assert told.attributes["spanwatch.call.status"] == "abandoned"
    assert told.errors == [None]


def close(stream):
    next(iter(stream))
    stream.close()


def with_break(stream):
    with stream:
        for _ in stream:
            break


def consumer_raises(stream):
    with pytest.raises(KeyError), stream:
        raise KeyError(next(stream).id)


def close_twice(stream):
    next(stream)
    stream.close()
    stream.close()


@pytest.mark.parametrize("leave", [close, with_break, consumer_raises, close_twice])
def test_a_stream_left_early_is_abandoned(leave, client, watched):
    leave(client.chat.completions.create(**CHAT))
    watched.collected()
    assert_abandoned(watched)


def test_a_stream_dropped_is_abandoned_when_it_is_collected(client, watched):
    stream = client.chat.completions.create(**CHAT)
    next(iter(stream))
    assert watched.calls == []
    del stream
    gc.collect()
    assert watched.calls == [], "a finalizer only defers"
    watched.collected()
    assert_abandoned(watched)


def test_a_stream_never_read_is_abandoned(client, watched):
    client.chat.completions.create(**CHAT)
    watched.collected()
    assert_abandoned(watched, chunks=0)
    assert watched.call.time_to_first_chunk_s is None


def test_a_stream_still_held_is_abandoned_at_the_end_of_the_process(client, watched):
    stream = client.chat.completions.create(**CHAT)
    next(stream)
    OpenAIInstrumentor().finish_open()
    assert_abandoned(watched)
    assert len(list(stream)) == 9
    stream.close()
    del stream
    watched.collected()
    assert len(watched.calls) == 1


def test_a_stream_read_to_its_end_and_closed_is_told_once(client, watched):
    with client.chat.completions.create(**CHAT) as stream:
        list(stream)
    stream.close()
    assert next(stream, "end") == "end"
    del stream
    watched.collected()
    assert watched.call.status is CallStatus.OK
    assert watched.call.usage is not None


def test_a_stream_whose_usage_came_is_complete_even_if_its_end_is_not_read(client, watched):
    with client.chat.completions.create(**CHAT, stream_options={"include_usage": True}) as stream:
        for chunk in stream:
            if chunk.usage is not None:
                break
    assert (watched.call.status, watched.call.usage.input_tokens) == (CallStatus.OK, 120)


def test_a_response_stream_whose_last_event_came_is_complete(client, watched):
    with client.responses.create(**RESPONSE) as stream:
        for event in stream:
            if event.type == "response.completed":
                break
    assert (watched.call.status, watched.call.usage.output_tokens) == (CallStatus.OK, 48)


def test_a_response_stream_left_early_is_abandoned(client, watched):
    with client.responses.create(**RESPONSE) as stream:
        for _ in stream:
            break
    assert_abandoned(watched)
    assert watched.call.response_id.startswith("resp-")


def test_a_response_stream_with_an_error_event_failed(client, watched):
    with contextlib.suppress(openai.APIError):  # the first versions hand the event on instead
        list(client.responses.create(**RESPONSE, extra_headers=cue(fault="error_event")))
    assert (watched.call.status, watched.call.error_type) == (CallStatus.ERROR, "demo_stream")


def test_a_response_stream_without_its_last_event_failed(client, watched):
    fault = cue(fault="error_event", after_chunks=2)
    stream = client.responses.create(**RESPONSE, extra_headers=fault)
    next(stream)
    OpenAIInstrumentor()._site.open[next(iter(OpenAIInstrumentor()._site.open))].succeeded()
    assert (watched.call.status, watched.call.error_type) == (CallStatus.ERROR, "_OTHER")
    stream.close()


@pytest.mark.parametrize("api", ["chat.completions", "responses"])
def test_a_stream_helper_is_one_call(api, client, watched):
    given = {name: value for name, value in (CHAT if api != "responses" else RESPONSE).items() if name != "stream"}
    resource = client.responses if api == "responses" else client.chat.completions
    if not hasattr(resource, "stream"):
        pytest.skip("this version of the client has no stream() there")
    with resource.stream(**given) as stream:
        list(stream)
    assert (watched.call.status, watched.call.stream) == (CallStatus.OK, True)
    assert watched.call.usage.input_tokens == 120


def test_a_stream_helper_left_early_is_abandoned(client, watched):
    if not hasattr(client.chat.completions, "stream"):
        pytest.skip("this version of the client has no chat.completions.stream()")
    given = {name: value for name, value in CHAT.items() if name != "stream"}
    with client.chat.completions.stream(**given) as stream:
        for _ in stream:
            break
    assert watched.call.status is CallStatus.ABANDONED


def test_a_stream_lasts_until_its_last_chunk_was_read(client, watched):
    stream = client.chat.completions.create(**CHAT, extra_headers=cue(chunk_delay=0.01))
    next(stream)
    time.sleep(0.05)
    list(stream)
    call = watched.call
    assert call.duration_s > 0.1
    assert 0 < call.time_to_first_chunk_s < call.duration_s


def test_an_interrupt_inside_a_stream_cancels_it(client, watched):
    stream = client.chat.completions.create(**CHAT)
    next(stream)

    site = OpenAIInstrumentor()._site
    call = next(iter(site.open.values()))
    with pytest.raises(KeyboardInterrupt), contextlib.closing(stream):
        raise KeyboardInterrupt
    assert call.call_id not in site.open
    assert (watched.call.status, watched.call.error_type) == (CallStatus.CANCELLED, "KeyboardInterrupt")


def test_streams_of_many_threads_are_each_told_once(client, watched):
    def run():
        list(client.chat.completions.create(**CHAT))

    threads = [threading.Thread(target=run) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({call.call_id for call in watched.calls}) == 8
    assert {call.usage.input_tokens for call in watched.calls} == {120}


def test_the_parent_of_a_stream_is_the_span_it_was_made_in(client, watched):
    tracer = watched.provider.get_tracer("app")
    with tracer.start_as_current_span("agent") as agent:
        stream = client.chat.completions.create(**CHAT)
        inside = tracer.start_span("inside")
    list(stream)
    inside.end()
    call = watched.call
    assert call.parent_span_id == f"{agent.get_span_context().span_id:016x}"
    assert call.trace_id == f"{agent.get_span_context().trace_id:032x}"
    assert inside.parent.span_id == agent.get_span_context().span_id, "a stream is not current after it was made"


def test_an_iterator_closed_and_its_stream_dropped_is_abandoned(client, watched):
    stream = client.chat.completions.create(**CHAT)
    chunks = iter(stream)
    next(chunks)
    chunks.close()
    assert watched.calls == [], "the stream can still be read on"
    next(stream)
    del stream, chunks
    watched.collected()
    assert_abandoned(watched, chunks=2)


def test_a_stream_that_states_its_usage_all_along_is_abandoned_all_the_same(client, watched):
    with (
        Replay("perplexity.sse") as replay,
        client.with_options(base_url=replay.base_url).chat.completions.create(**CHAT) as stream,
    ):
        next(stream)
    assert (watched.call.status, watched.call.usage.output_tokens) == (CallStatus.ABANDONED, 1)


def test_what_others_put_on_a_response_stays(client, watched):
    stream = client.chat.completions.create(**CHAT)
    ours = stream.response.close
    heard = []

    def theirs():
        heard.append("closed")
        ours()

    stream.response.close = theirs
    stream.close()
    assert stream.response.close is theirs
    assert heard == ["closed"]
    assert watched.call.status is CallStatus.ABANDONED


def test_a_stream_closed_by_another_thread_ends_once(client, watched):
    stream = client.chat.completions.create(**CHAT, extra_headers=cue(fault="stall"), timeout=5)
    begun = threading.Event()

    def read():
        with contextlib.suppress(Exception):
            for _ in stream:
                begun.set()

    reader = threading.Thread(target=read, daemon=True)
    reader.start()
    assert begun.wait(5)
    stream.close()
    reader.join(10)
    assert not reader.is_alive()
    assert len(watched.calls) == 1
    assert watched.call.usage is None


# --- asynchronous ---------------------------------------------------------------------------------------------------


async def aclose(stream):
    async for _ in stream:
        break
    await stream.close()


async def async_with_break(stream):
    async with stream:
        async for _ in stream:
            break


async def async_consumer_raises(stream):
    async def consume():
        async with stream:
            async for chunk in stream:
                raise KeyError(chunk.id)

    with pytest.raises(KeyError):
        await consume()


async def break_and_aclose(stream):
    chunks = aiter(stream)
    async for _ in chunks:
        break
    await chunks.aclose()
    await stream.close()


@pytest.mark.parametrize("leave", [aclose, break_and_aclose, async_with_break, async_consumer_raises])
async def test_an_asynchronous_stream_left_early_is_abandoned(leave, later, watched):
    await leave(await later.chat.completions.create(**CHAT))
    watched.collected()
    assert_abandoned(watched)


async def test_an_asynchronous_stream_dropped_is_abandoned(later, watched):
    stream = await later.chat.completions.create(**CHAT)
    async for _ in stream:
        break
    del stream, _
    for _ in range(3):
        gc.collect()
        await asyncio.sleep(0.01)
    watched.run_deferred()
    assert_abandoned(watched)


async def test_a_cancelled_call_is_cancelled(later, watched):
    task = asyncio.create_task(
        later.chat.completions.create(**{**CHAT, "stream": False}, extra_headers=cue(fault="hang"))
    )
    await asyncio.sleep(0.1)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert (watched.call.status, watched.call.error_type) == (CallStatus.CANCELLED, "asyncio.CancelledError")
    assert watched.span.status.status_code is StatusCode.ERROR


async def test_a_call_closed_in_another_context_is_cancelled_quietly(later, watched, caplog):
    asked = later.chat.completions.create(**{**CHAT, "stream": False}, extra_headers=cue(fault="hang"))
    contextvars.copy_context().run(asked.send, None)
    asked.close()
    assert watched.call.status is CallStatus.CANCELLED
    assert [record for record in caplog.records if record.name.startswith("opentelemetry")] == []


async def test_a_call_out_of_time_is_cancelled(later, watched):
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(later.responses.create(model="m", input="x", extra_headers=cue(fault="hang")), 0.1)
    assert watched.call.status is CallStatus.CANCELLED


async def test_a_stream_cancelled_while_it_waits_is_cancelled(later, watched):
    async def read():
        async for _ in await later.chat.completions.create(**CHAT, extra_headers=cue(fault="stall")):
            pass

    task = asyncio.create_task(read())
    await asyncio.sleep(0.15)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    call = watched.call
    assert (call.status, call.chunks, call.usage) == (CallStatus.CANCELLED, 3, None)


async def test_a_stream_cancelled_while_its_consumer_works_is_cancelled(later, watched):
    async def read():
        async with await later.chat.completions.create(**CHAT) as stream:
            async for _ in stream:
                await asyncio.sleep(10)

    task = asyncio.create_task(read())
    await asyncio.sleep(0.15)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert (watched.call.status, watched.call.chunks) == (CallStatus.CANCELLED, 1)


async def test_an_asynchronous_stream_helper_is_one_call(later, watched):
    if not hasattr(later.chat.completions, "stream"):
        pytest.skip("this version of the client has no chat.completions.stream()")
    given = {name: value for name, value in CHAT.items() if name != "stream"}
    async with later.chat.completions.stream(**given) as stream:
        async for _ in stream:
            pass
        assert (await stream.get_final_completion()).usage is None
    assert watched.call.usage.output_tokens == 48
