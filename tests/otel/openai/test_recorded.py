"""Recorded traffic, played back: the application sees what it would see without us, and the call is told as it was."""

from __future__ import annotations

import gc
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import openai
import pytest

from spanwatch.core.call import CallStatus, Usage
from spanwatch.otel.openai import OpenAIInstrumentor
from tests.otel.openai.replay import Replay

MESSAGES = [{"role": "user", "content": "a secret question"}]
CHAT = ("chat.completions.create", {"model": "m", "messages": MESSAGES})
TEXT = ("completions.create", {"model": "m", "prompt": "a secret prompt"})
RESPONSE = ("responses.create", {"model": "m", "input": "a secret question"})
EMBEDDING = ("embeddings.create", {"model": "m", "input": "a secret text", "encoding_format": "float"})
IMAGE = ("images.generate", {"model": "m", "prompt": "a secret picture"})
OK, ERROR = CallStatus.OK, CallStatus.ERROR


@dataclass(frozen=True)
class Recording:
    name: str
    request: tuple[str, dict[str, Any]]
    usage: Usage | None
    finish: tuple[str, ...] = ("stop",)
    model: str | None = None
    more: dict[str, Any] = field(default_factory=dict)
    error_type: str | None = None

    @property
    def stream(self) -> bool:
        return self.name.endswith(".sse")


MINI, GPT4O = "gpt-4o-mini-2024-07-18", "gpt-4o-2024-11-20"
GPT5 = "gpt-5-mini-2025-08-07"
PAID = Usage(1420, 203, 1152, reasoning_tokens=192)
RECORDINGS = [
    Recording("chat.json", CHAT, Usage(1117, 46, 1024, reasoning_tokens=0), model="gpt-4.1-2025-04-14"),
    Recording("chat_azure.json", CHAT, Usage(20, 0, 0, reasoning_tokens=0), ("content_filter",), GPT4O),
    Recording(
        "chat_openrouter.json",
        CHAT,
        Usage(14, 5),
        model="meta-llama/llama-3.3-70b-instruct",
        more={"provider_cost_nano_usd": 43_470},
    ),
    Recording(
        "chat_audio.json",
        CHAT,
        Usage(64, 60, 0, None, None, None, 0, 16, 13, 48, 47),
        model="gpt-4o-audio-preview-2025-06-03",
    ),
    Recording("chat_sparse.json", CHAT, None, ("error",), more={"response_id": None}),
    Recording("chat_error_200.json", CHAT, None, (), more={"status": ERROR}, error_type="402"),
    Recording("openai_tools.sse", CHAT, Usage(82, 17, 0, reasoning_tokens=0), ("tool_calls",), MINI, {"chunks": 6}),
    Recording("openai_refusal.sse", CHAT, Usage(75, 9, 0, reasoning_tokens=0), model=MINI),
    Recording("openai_logprobs.sse", CHAT, Usage(9, 3, 0, reasoning_tokens=0), model=MINI),
    Recording("openai_two_choices.sse", CHAT, Usage(12, 4, 0, reasoning_tokens=0), ("stop", "length"), MINI),
    Recording(
        "openai_reasoning.sse",
        CHAT,
        Usage(2006, 300, 1920, reasoning_tokens=256),
        model="o4-mini-2025-04-16",
        more={"service_tier": "flex", "price_context": (("service_tier", "flex"),)},
    ),
    Recording(
        "azure.sse",
        CHAT,
        Usage(20, 3, 0, reasoning_tokens=0),
        model=GPT4O,
        more={"response_id": "chatcmpl-CRecordedAzure0001", "chunks": 5},
    ),
    Recording(
        "azure_async_filter.sse",
        CHAT,
        Usage(21, 2, 0, reasoning_tokens=0),
        model=GPT4O,
        more={"response_id": "chatcmpl-CRecordedAzure0002"},
    ),
    Recording("deepseek.sse", CHAT, Usage(70, 40, 64, reasoning_tokens=35), model="deepseek-reasoner"),
    Recording("groq.sse", CHAT, Usage(36, 8), model="llama-3.3-70b-versatile"),
    Recording("moonshot.sse", CHAT, Usage(19, 13, 12), model="kimi-k2-0905-preview"),
    Recording(
        "openrouter.sse",
        CHAT,
        Usage(194, 2, 0, reasoning_tokens=0),
        model="anthropic/claude-sonnet-4.5",
        more={"provider_cost_nano_usd": 950_000},
    ),
    Recording("perplexity.sse", CHAT, Usage(5, 3), model="sonar"),
    Recording("vllm.sse", CHAT, Usage(11, 2), model="Qwen/Qwen3-8B"),
    Recording("gateway_error.sse", CHAT, None, ("error",), "openai/gpt-4o", {"status": ERROR}, "502"),
    Recording("completion.sse", TEXT, Usage(5, 2), ("length",), "gpt-3.5-turbo-instruct:20230824-v2"),
    Recording("response.json", RESPONSE, PAID, ("tool_calls",), GPT5),
    Recording("response_queued.json", RESPONSE, None, (), GPT5, {"status": OK}),
    Recording("response_incomplete.json", RESPONSE, PAID, ("content_filter",), GPT5),
    Recording("response.sse", RESPONSE, PAID, model=GPT5, more={"response_id": "resp_0recorded0000000001"}),
    Recording("response_unknown_event.sse", RESPONSE, PAID, model=GPT5),
    Recording("response_incomplete.sse", RESPONSE, Usage(1420, 64, 1152, reasoning_tokens=64), ("length",), GPT5),
    Recording("response_failed.sse", RESPONSE, None, ("error",), GPT5, {"status": ERROR}, "rate_limit_exceeded"),
    Recording("response_error.sse", RESPONSE, None, (), GPT5, {"status": ERROR}, "server_error"),
    Recording("embeddings.json", EMBEDDING, Usage(8), (), "text-embedding-3-small"),
    Recording("image.json", IMAGE, Usage(13, 272, input_text_tokens=13), ()),
]
Look = Callable[[Any], Any]
ALL = pytest.mark.parametrize("recording", RECORDINGS, ids=lambda recording: recording.name)


@pytest.fixture(scope="module")
def replay() -> Iterator[Replay]:
    with Replay() as server:
        yield server


@pytest.fixture(scope="module")
def client(replay: Replay) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=replay.base_url, api_key="sk-secret", max_retries=0) as made:
        yield made


def shown(value: Any) -> Any:
    """An object as the application can see it."""
    if hasattr(value, "to_dict"):
        fields = sorted(value.model_fields_set)
        return (type(value), value.to_dict(), value.to_json(), repr(value), fields, value.model_dump(warnings=False))
    return type(value), value


def failed(error: BaseException) -> Any:
    return type(error), str(error), getattr(error, "body", None), getattr(error, "code", None)


def plain(client: Any, path: str, arguments: dict[str, Any]) -> Iterator[Any]:
    result = method(client, path)(**arguments)
    if arguments.get("stream"):
        yield type(result)
        for chunk in result:
            yield shown(chunk)
    else:
        yield shown(result)


def raw(client: Any, path: str, arguments: dict[str, Any]) -> Iterator[Any]:
    response = method(client, path, "with_raw_response")(**arguments)
    yield type(response), response.headers["content-type"]
    parsed = response.parse()
    if arguments.get("stream"):
        yield type(parsed)
        for chunk in parsed:
            yield shown(chunk)
    else:
        yield shown(parsed)
        yield response.content, response.text


def streaming_bytes(client: Any, path: str, arguments: dict[str, Any]) -> Iterator[Any]:
    with method(client, path, "with_streaming_response")(**arguments) as response:
        yield type(response)
        yield b"".join(response.iter_bytes())


def streaming_lines(client: Any, path: str, arguments: dict[str, Any]) -> Iterator[Any]:
    with method(client, path, "with_streaming_response")(**arguments) as response:
        yield from response.iter_lines()


def streaming_parsed(client: Any, path: str, arguments: dict[str, Any]) -> Iterator[Any]:
    with method(client, path, "with_streaming_response")(**arguments) as response:
        parsed = response.parse()
        if arguments.get("stream"):
            for chunk in parsed:
                yield shown(chunk)
        else:
            yield shown(parsed)


WAYS = pytest.mark.parametrize(
    ("way", "piece"),
    [(plain, 0), (raw, 5), (streaming_bytes, 0), (streaming_bytes, 7), (streaming_lines, 3), (streaming_parsed, 0)],
)


def method(client: Any, path: str, variant: str = "") -> Any:
    """A method of a client, or that of `with_raw_response` or `with_streaming_response`."""
    *names, last = path.split(".")
    for name in [*names, *([variant] if variant else []), last]:
        client = getattr(client, name)
    return client


def looked(seen: Iterator[Any]) -> list[Any]:
    found = []
    try:
        found.extend(seen)
    except Exception as error:  # noqa: BLE001 (whatever the client raises is compared)
        found.append(failed(error))
    return found


def observed(recording: Recording, way: Any, client: openai.OpenAI, replay: Replay) -> tuple[list[Any], bytes]:
    path, arguments = recording.request
    arguments = {**arguments, **({"stream": True} if recording.stream else {})}
    before = json.dumps(arguments)
    replay.reply = recording.name
    found = looked(way(client, path, arguments))
    gc.collect(
        1
    )  # a stream that failed: were it collected while httpcore holds its lock, httpcore would wait for itself
    assert json.dumps(arguments) == before, "what the application passed stays as it is"
    return found, replay.requests.pop()


def sent(request: bytes) -> tuple[list[bytes], dict[str, Any]]:
    head, _, body = request.partition(b"\r\n\r\n")
    return [line for line in head.split(b"\r\n") if not line.lower().startswith(b"content-length")], json.loads(body)


@ALL
@WAYS
def test_the_application_sees_what_it_would_see_without_us(  # noqa: PLR0917 (fixtures)
    recording, way, piece, client, replay, recorded
):
    replay.piece = piece
    expected, bare = observed(recording, way, client, replay)
    instrumentor = OpenAIInstrumentor()
    instrumentor.instrument(telemetry=recorded.telemetry(), skip_dep_check=True)
    try:
        found, request = observed(recording, way, client, replay)
    finally:
        instrumentor.uninstrument()
    assert found == expected
    (head, body), (bare_head, bare_body) = sent(request), sent(bare)
    assert head == bare_head
    if recording.stream and recording.request in (CHAT, TEXT):
        assert body.pop("stream_options") == {"include_usage": True}
        assert body == bare_body
    else:
        assert request == bare
    check(recording, recorded)


def check(recording: Recording, told: Any) -> None:
    call = told.call
    expected = {"status": OK, "usage": recording.usage, "stream": recording.stream, **recording.more}
    for name, value in expected.items():
        assert getattr(call, name) == value, name
    assert (call.response_model, call.finish_reasons) == (recording.model, recording.finish)
    assert call.error_type == recording.error_type
    if recording.stream:
        assert call.chunks > 0
        assert 0 <= call.time_to_first_chunk_s <= call.duration_s
    assert told.span.name == f"{call.operation} m"
    assert "secret" not in repr([told.attributes, told.extras])


@ALL
async def test_an_asynchronous_application_sees_the_same(recording, replay, recorded):
    async with openai.AsyncOpenAI(base_url=replay.base_url, api_key="sk-secret", max_retries=0) as client:
        expected, bare = await observed_later(recording, client, replay)
        instrumentor = OpenAIInstrumentor()
        instrumentor.instrument(telemetry=recorded.telemetry(), skip_dep_check=True)
        try:
            found, request = await observed_later(recording, client, replay)
        finally:
            instrumentor.uninstrument()
    assert found == expected
    assert sent(request)[0] == sent(bare)[0]
    check(recording, recorded)


async def observed_later(recording: Recording, client: openai.AsyncOpenAI, replay: Replay) -> tuple[list[Any], bytes]:
    path, arguments = recording.request
    replay.reply = recording.name
    found: list[Any] = []
    try:
        if recording.stream:
            stream = await method(client, path)(**arguments, stream=True)
            found.append(type(stream))
            found += [shown(chunk) async for chunk in stream]
        else:
            found.append(shown(await method(client, path)(**arguments)))
    except Exception as error:  # noqa: BLE001 (whatever the client raises is compared)
        found.append(failed(error))
    return found, replay.requests.pop()
