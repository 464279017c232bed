"""`parse`, `stream` and `retrieve`: the same objects, events and errors with us and without, and one call each."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from typing import Any

import openai
import pydantic
import pytest

from demo.server import cue
from spanwatch.core.call import CallStatus
from spanwatch.otel.openai import OpenAIInstrumentor

CHAT: dict[str, Any] = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "hi"}]}
RESPONSE: dict[str, Any] = {"model": "gpt-4o-mini", "input": "hi"}
VARYING = {"id", "created", "created_at", "item_id", "call_id", "completed_at"}


class City(pydantic.BaseModel):
    city: str


def chats(client: Any) -> Any:
    """`chat.completions` with `parse` and `stream`, which the first versions keep under `beta`."""
    completions = client.chat.completions
    return completions if hasattr(completions, "parse") else client.beta.chat.completions


def shown(value: Any) -> Any:
    """What an object says, without what differs from call to call."""
    if isinstance(value, pydantic.BaseModel):
        fields = {name: shown(getattr(value, name)) for name in value.model_fields_set - VARYING}
        return type(value).__name__, fields, shown(value.__pydantic_extra__)
    if isinstance(value, dict):
        return {name: shown(item) for name, item in value.items() if name not in VARYING}
    if isinstance(value, (list, tuple)):
        return [shown(item) for item in value]
    return value


def chat_parse(client: Any) -> Iterator[Any]:
    yield chats(client).parse(**CHAT, response_format=City)


def chat_parse_cut(client: Any) -> Iterator[Any]:
    yield chats(client).parse(**CHAT, response_format=City, extra_headers=cue(finish_reason="length"))


def chat_parse_raw(client: Any) -> Iterator[Any]:
    yield client.chat.completions.with_raw_response.create(**CHAT).parse()


def chat_stream(client: Any) -> Iterator[Any]:
    with chats(client).stream(**CHAT) as stream:
        yield from stream
        yield stream.get_final_completion()


def chat_stream_parsed(client: Any) -> Iterator[Any]:
    with chats(client).stream(**CHAT, response_format=City) as stream:
        yield from stream
        yield stream.get_final_completion().choices[0].message.parsed


def chat_stream_until_done(client: Any) -> Iterator[Any]:
    with chats(client).stream(**CHAT) as stream:
        yield stream.until_done() is stream
        yield stream.get_final_completion()


def response_parse(client: Any) -> Iterator[Any]:
    yield client.responses.parse(**RESPONSE, text_format=City)


def response_stream(client: Any) -> Iterator[Any]:
    with client.responses.stream(**RESPONSE) as stream:
        yield from stream
        yield stream.get_final_response()


def response_stream_cut(client: Any) -> Iterator[Any]:
    with client.responses.stream(**RESPONSE, extra_headers=cue(fault="error_event")) as stream:
        yield from stream


def retrieved(client: Any) -> Iterator[Any]:
    with_usage = client.responses.create(**RESPONSE)
    yield client.responses.retrieve(with_usage.id)


CASES: dict[Callable[[Any], Iterator[Any]], tuple[CallStatus, str | None, bool]] = {
    chat_parse: (CallStatus.OK, None, False),
    chat_parse_cut: (CallStatus.ERROR, "openai.LengthFinishReasonError", False),
    chat_parse_raw: (CallStatus.OK, None, False),
    chat_stream: (CallStatus.OK, None, True),
    chat_stream_parsed: (CallStatus.OK, None, True),
    chat_stream_until_done: (CallStatus.OK, None, True),
    response_parse: (CallStatus.OK, None, False),
    response_stream: (CallStatus.OK, None, True),
}


def looked(seen: Iterator[Any]) -> list[Any]:
    found: list[Any] = []
    try:
        found.extend(shown(value) for value in seen)
    except Exception as error:  # noqa: BLE001 (whatever the client raises is compared)
        found.append((type(error), getattr(error, "body", None)))
    return found


@pytest.mark.parametrize("case", [*CASES, response_stream_cut, retrieved], ids=lambda case: case.__name__)
def test_the_application_gets_what_it_would_get_without_us(case, client, recorded):
    if "chat_stream" in case.__name__ and not hasattr(chats(client), "stream"):
        pytest.skip("this version of the client has no chat.completions.stream()")
    expected = looked(case(client))
    instrumentor = OpenAIInstrumentor()
    instrumentor.instrument(telemetry=recorded.telemetry(), skip_dep_check=True)
    try:
        found = looked(case(client))
    finally:
        instrumentor.uninstrument()
    assert found == expected
    if case in CASES:
        call = recorded.call
        assert (call.status, call.error_type, call.stream) == CASES[case]
        assert (call.usage.input_tokens, call.usage.output_tokens) == (120, 48)
        assert call.response_id is not None


async def test_asynchronous_helpers_are_one_call_each(later, watched):
    await chats(later).parse(**CHAT, response_format=City)
    await later.responses.parse(**RESPONSE, text_format=City)
    async with later.responses.stream(**RESPONSE) as stream:
        async for _ in stream:
            pass
    assert [(call.status, call.usage.output_tokens) for call in watched.calls] == [(CallStatus.OK, 48)] * 3


async def test_an_asynchronous_helper_cancelled_is_cancelled(later, watched):
    async def read():
        async with later.responses.stream(**RESPONSE, extra_headers=cue(fault="stall")) as stream:
            async for _ in stream:
                pass

    with pytest.raises(TimeoutError):
        await asyncio.wait_for(read(), 0.3)
    assert (watched.call.status, watched.call.usage) == (CallStatus.CANCELLED, None)


# --- fetched responses ----------------------------------------------------------------------------------------------


def test_a_fetched_response_brings_no_usage_of_its_own(client, watched):
    made = client.responses.create(**RESPONSE)
    client.responses.retrieve(made.id)
    _, fetched = watched.calls
    assert (fetched.operation, fetched.request_model, fetched.response_id) == ("fetch_response", None, made.id)
    assert (fetched.settles, fetched.status) == (made.id, CallStatus.OK)
    span = watched.exporter.get_finished_spans()[1]
    assert span.name == "fetch_response"
    assert span.attributes["gen_ai.response.status"] == "completed"
    assert span.attributes["gen_ai.response.id"] == made.id
    assert not any(name.startswith("gen_ai.usage") for name in span.attributes)


def test_a_response_still_waiting_settles_nothing(client, watched):
    made = client.responses.create(**RESPONSE, extra_headers=cue(response_status="queued"))
    client.responses.retrieve(made.id)
    assert [call.settles for call in watched.calls] == [None, None]
    assert watched.exporter.get_finished_spans()[1].attributes["gen_ai.response.status"] == "queued"


def test_a_failed_response_fetched_is_a_fetch_that_went_well(client, watched):
    made = client.responses.create(**RESPONSE, extra_headers=cue(response_status="queued"))
    client.responses.retrieve(made.id, extra_headers=cue(settled_status="failed"))
    assert (watched.calls[1].status, watched.calls[1].error_type) == (CallStatus.OK, None)


def test_a_fetch_of_nothing_is_an_error(client, watched):
    with pytest.raises(openai.NotFoundError):
        client.responses.retrieve("resp_none")
    assert watched.call.error_type == "openai.NotFoundError"
    assert watched.call.response_id == "resp_none"


def test_a_fetched_stream_goes_on_after_a_cursor(client, watched):
    made = client.responses.create(**RESPONSE)
    query = {"stream": "true", "starting_after": 0}
    stream = client.get(
        f"/responses/{made.id}",
        cast_to=object,
        options={"params": query},
        stream=True,
        stream_cls=openai.Stream[object],
    )
    assert len(list(stream)) == 1
    fetched = watched.calls[1]
    assert (fetched.stream, fetched.settles, fetched.status) == (True, made.id, CallStatus.OK)
    assert watched.exporter.get_finished_spans()[1].attributes["gen_ai.request.stream_cursor"] == "0"


def test_other_paths_below_a_response_are_not_fetches(client, watched):
    with pytest.raises(openai.NotFoundError):
        client.responses.input_items.list("resp_none")
    assert watched.calls == []
