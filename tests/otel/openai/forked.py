"""A process that forks with a stream open; parent and child each print which calls they told. Run as a script."""

from __future__ import annotations

import os
import sys
import time
import uuid
from typing import Any

import openai
from opentelemetry.trace import get_tracer

from spanwatch.core.call import Call
from spanwatch.otel.openai import OpenAIInstrumentor
from spanwatch.otel.telemetry import Content, Telemetry

told: list[Call] = []


def finish(span: Any, call: Call, **_: Any) -> Call:
    told.append(call)
    span.end()
    return call


def say(who: str) -> None:
    os.write(1, f"{who} {','.join(f'{call.status.value}:{call.chunks}' for call in told)}\n".encode())


def main(base_url: str) -> None:
    telemetry = Telemetry(
        tracer=lambda: get_tracer("test"),
        finish=finish,
        defer=lambda action: action(),
        active=lambda: True,
        content=Content(),
        ask_usage=True,
        clock=time.time_ns,
        new_id=lambda: uuid.uuid4().hex,
    )
    OpenAIInstrumentor().instrument(telemetry=telemetry, skip_dep_check=True)
    request: Any = {"model": "m", "messages": [{"role": "user", "content": "x"}], "stream": True}
    client = openai.OpenAI(base_url=base_url, api_key="x")
    stream = client.chat.completions.create(**request)
    next(stream)
    child = os.fork()
    if child == 0:
        del stream  # the parent's, and the parent's to tell
        OpenAIInstrumentor().finish_open()
        list(openai.OpenAI(base_url=base_url, api_key="x").chat.completions.create(**request))
        say("child")
        os._exit(0)
    os.waitpid(child, 0)
    list(stream)
    say("parent")


if __name__ == "__main__":
    main(sys.argv[1])
