"""Raw and streaming responses: what the application reads of the body itself is what it would read without us."""

from __future__ import annotations

import json

import openai
import pytest

from demo.server import cue
from spanwatch.core.call import CallStatus
from tests.otel.openai.replay import Replay, Reply

CHAT = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "hi"}]}
STREAM = {**CHAT, "stream": True}


def assert_told(told, **expected):
    call = told.call
    assert call.status is CallStatus.OK
    assert (call.usage.input_tokens, call.usage.output_tokens, call.usage.cache_read_tokens) == (120, 48, 64)
    assert call.response_model == "gpt-4o-mini-2026-01-01"
    for name, value in expected.items():
        assert getattr(call, name) == value, name


def test_a_raw_response_is_told_whether_it_is_parsed_or_not(client, watched):
    raw = client.chat.completions.with_raw_response.create(**CHAT)
    assert_told(watched, stream=False)
    assert raw.headers["x-request-id"]
    assert raw.parse().usage.prompt_tokens == 120
    assert len(watched.calls) == 1


def test_a_raw_response_taken_before_instrumenting_is_told(client, recorded, request):
    before = client.chat.completions.with_raw_response
    told = request.getfixturevalue("watched")
    before.create(**CHAT)
    assert_told(told)


def test_a_raw_stream_parsed_hides_the_usage(client, watched):
    raw = client.chat.completions.with_raw_response.create(**STREAM)
    stream = raw.parse()
    assert raw.parse() is stream
    chunks = list(stream)
    assert len(chunks) == 10
    assert not any("usage" in chunk.to_dict() for chunk in chunks)
    assert_told(watched, stream=True, chunks=10)


def test_a_raw_stream_failing_names_the_same_error_as_any_stream(client, watched):
    raw = client.chat.completions.with_raw_response.create(**STREAM, extra_headers=cue(fault="error_event"))
    with pytest.raises(openai.APIError):
        list(raw.parse())
    assert (watched.call.status, watched.call.error_type) == (CallStatus.ERROR, "demo_stream")


def test_a_raw_stream_broken_off_is_abandoned(client, watched):
    raw = client.chat.completions.with_raw_response.create(**STREAM)
    with raw.parse() as stream:
        next(stream)
    assert (watched.call.status, watched.call.chunks) == (CallStatus.ABANDONED, 1)


def test_a_raw_stream_dropped_unread_is_abandoned(client, watched):
    client.chat.completions.with_raw_response.create(**STREAM)
    watched.collected()
    assert watched.call.status is CallStatus.ABANDONED


READERS = {
    "read": lambda response: response.read(),
    "bytes": lambda response: b"".join(response.iter_bytes()),
    "small_bytes": lambda response: b"".join(response.iter_bytes(7)),
    "text": lambda response: "".join(response.iter_text()).encode(),
    "lines": lambda response: "\n".join([*response.iter_lines(), ""]).encode(),
    "raw": lambda response: b"".join(response.http_response.iter_raw()),
    "small_raw": lambda response: b"".join(response.http_response.iter_raw(11)),
}


@pytest.mark.parametrize("reader", READERS.values(), ids=READERS)
@pytest.mark.parametrize("wire", [{}, {"piece": 3}, {"crlf": True}, {"crlf": True, "piece": 1}], ids=str)
def test_the_bytes_of_a_stream_show_no_usage(reader, wire, client, watched):
    create = client.chat.completions.with_streaming_response.create
    with create(**STREAM, extra_headers=cue(**wire)) as response:
        body = reader(response)
    events = [line for line in body.splitlines() if line.startswith(b"data:")]
    assert b"usage" not in body
    assert events[-1] == b"data: [DONE]"
    assert len(events) == 11
    assert all(json.loads(event[5:])["choices"] for event in events[:-1])
    assert_told(watched, stream=True, chunks=10)


def test_small_pieces_have_the_size_asked_for(client, watched):
    with client.chat.completions.with_streaming_response.create(**STREAM) as response:
        pieces = list(response.iter_bytes(16))
    assert {len(piece) for piece in pieces[:-1]} == {16}


JSON_READERS = {
    "parse": lambda response: response.parse().usage.prompt_tokens,
    "json": lambda response: response.json()["usage"]["prompt_tokens"],
    "read": lambda response: json.loads(response.read())["usage"]["prompt_tokens"],
    "text": lambda response: json.loads(response.text())["usage"]["prompt_tokens"],
    "lines": lambda response: json.loads("".join(response.iter_lines()))["usage"]["prompt_tokens"],
}


@pytest.mark.parametrize("reader", JSON_READERS.values(), ids=JSON_READERS)
def test_a_streaming_response_of_a_whole_answer_is_told_when_it_is_read(reader, client, watched):
    with client.chat.completions.with_streaming_response.create(**CHAT) as response:
        assert watched.calls == []
        assert reader(response) == 120
    assert_told(watched, stream=False)


def test_a_streaming_response_parsed_as_a_stream(client, watched):
    with client.chat.completions.with_streaming_response.create(**STREAM) as response:
        assert all(chunk.choices for chunk in response.parse())
    assert_told(watched, chunks=10)


def test_a_streaming_response_left_early_is_abandoned(client, watched):
    with client.chat.completions.with_streaming_response.create(**STREAM) as response:
        for _ in response.iter_lines():
            break
    watched.collected()
    assert (watched.call.status, watched.call.usage) == (CallStatus.ABANDONED, None)


def test_a_streaming_response_not_read_is_abandoned(client, watched):
    with client.chat.completions.with_streaming_response.create(**CHAT) as response:
        assert response.status_code == 200
    assert watched.call.status is CallStatus.ABANDONED


def test_a_streaming_response_cut_off_failed(client, watched):
    create = client.chat.completions.with_streaming_response.create
    with pytest.raises(Exception, match=r".") as caught, create(**STREAM, extra_headers=cue(fault="cut")) as response:
        list(response.iter_lines())
    assert watched.call.status is CallStatus.ERROR
    assert watched.errors == [caught.value]
    assert watched.call.error_type.endswith("RemoteProtocolError")


def test_a_raw_response_that_is_refused_failed(client, watched):
    with pytest.raises(openai.RateLimitError):
        client.chat.completions.with_raw_response.create(**CHAT, extra_headers=cue(status=429))
    assert watched.call.error_type == "openai.RateLimitError"


def test_a_raw_response_with_a_broken_body_is_told(client, watched):
    raw = client.chat.completions.with_raw_response.create(**CHAT, extra_headers=cue(fault="bad_json"))
    assert (watched.call.status, watched.call.usage) == (CallStatus.OK, None)
    with pytest.raises(ValueError, match="property name"):
        raw.parse()


@pytest.mark.parametrize("api", ["responses", "embeddings"])
def test_raw_responses_of_other_endpoints_are_told(api, client, watched):
    raw = getattr(client, api).with_raw_response.create(model="m", input="x")
    assert raw.parse()
    assert watched.call.usage.input_tokens == 120


def test_the_events_of_a_response_pass_as_bytes(client, watched):
    with client.responses.with_streaming_response.create(model="m", input="x", stream=True) as response:
        lines = list(response.iter_lines())
    assert lines[0] == "event: response.created"
    assert watched.call.usage.output_tokens == 48
    assert watched.call.finish_reasons == ("stop",)


def test_what_was_patched_in_is_gone_afterwards(client, watched):
    with client.chat.completions.with_streaming_response.create(**STREAM) as response:
        http = response.http_response
        assert "iter_bytes" in vars(http)
        response.read()
    assert not {"iter_bytes", "iter_raw", "close", "aclose", "aiter_bytes", "aiter_raw"} & vars(http).keys()
    assert "parse" not in vars(response)


def test_json_nested_too_deep_passes_unread(client, watched):
    body = b"[" * 200_000
    with Replay(Reply(b"data: " + body + b"\n\ndata: [DONE]\n\n", kind="text/event-stream")) as replay:
        there = client.with_options(base_url=replay.base_url).chat.completions.with_streaming_response
        with there.create(**STREAM) as response:
            assert body in response.read()
        replay.reply = Reply(body)
        with there.create(**CHAT) as response:
            assert response.read() == body
    assert [(call.status, call.usage) for call in watched.calls] == [(CallStatus.OK, None)] * 2


# --- asynchronous ---------------------------------------------------------------------------------------------------


async def test_an_asynchronous_raw_response_is_told(later, watched):
    raw = await later.chat.completions.with_raw_response.create(**CHAT)
    assert raw.parse().usage.prompt_tokens == 120
    assert_told(watched)


async def test_an_asynchronous_raw_stream_is_told(later, watched):
    raw = await later.chat.completions.with_raw_response.create(**STREAM)
    assert [chunk.choices[0].index async for chunk in raw.parse()] == [0] * 10
    assert_told(watched, chunks=10)


async def read_lines(response):
    return [line async for line in response.iter_lines()]


async def read_pieces(response):
    return b"".join([piece async for piece in response.iter_bytes(9)]).decode().split("\n")


async def read_whole(response):
    return (await response.read()).decode().split("\n")


async def read_raw(response):
    return b"".join([piece async for piece in response.http_response.aiter_raw()]).decode().split("\n")


@pytest.mark.parametrize("reader", [read_lines, read_pieces, read_whole, read_raw])
async def test_the_bytes_of_an_asynchronous_stream_show_no_usage(reader, later, watched):
    create = later.chat.completions.with_streaming_response.create
    async with create(**STREAM, extra_headers=cue(piece=10)) as response:
        lines = await reader(response)
    assert not any("usage" in line for line in lines)
    assert "data: [DONE]" in lines
    assert_told(watched, chunks=10)


async def test_an_asynchronous_streaming_response_parsed(later, watched):
    async with later.chat.completions.with_streaming_response.create(**STREAM) as response:
        assert [bool(chunk.choices) async for chunk in await response.parse()] == [True] * 10
    assert_told(watched, chunks=10)


async def test_an_asynchronous_streaming_response_of_a_whole_answer(later, watched):
    async with later.chat.completions.with_streaming_response.create(**CHAT) as response:
        assert (await response.json())["usage"]["prompt_tokens"] == 120
    assert_told(watched, stream=False)


async def test_an_asynchronous_streaming_response_left_early_is_abandoned(later, watched):
    async with later.chat.completions.with_streaming_response.create(**STREAM) as response:
        async for _ in response.iter_lines():
            break
    watched.collected()
    assert watched.call.status is CallStatus.ABANDONED


async def test_an_asynchronous_streaming_response_cut_off_failed(later, watched):
    create = later.chat.completions.with_streaming_response.create
    with pytest.raises(Exception, match=r"."):
        async with create(**STREAM, extra_headers=cue(fault="cut")) as response:
            await read_lines(response)
    assert watched.call.status is CallStatus.ERROR
