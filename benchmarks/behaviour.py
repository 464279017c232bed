"""One contender in its own environment: what it records of calls that do not go by the book, as JSON on stdout.

behaviour.py NAME URL CONTENT

The server answers with counts that occur nowhere else, so that a count is found wherever a contender puts it.
CONTENT is `off` where the contender is asked to keep content off, `default` where it is left alone.
"""

import asyncio
import json
import sys
import time
from collections.abc import Callable
from typing import Any

import openai
import worker
from opentelemetry import trace
from opentelemetry.sdk.trace.export import SimpleSpanProcessor, SpanExportResult

INPUT, CACHED, OUTPUT = 1237, 1021, 457
SECRET = "the planted question"
MESSAGES = [{"role": "user", "content": SECRET}]
CUES = {"X-Demo": json.dumps({"latency": 2})}
SEEN: list[Any] = []


def keep(_self: Any, spans: Any) -> SpanExportResult:
    """Every span that is exported, kept."""
    SEEN.extend(spans)
    return SpanExportResult.SUCCESS


def said(spans: list[Any]) -> str:
    """Everything that spans say, as one text."""
    return " ".join(
        f"{span.name} {dict(span.attributes or {})} {[dict(event.attributes or {}) for event in span.events]}"
        for span in spans
    )


def facts(work: Callable[[], object], flush: Callable[[], object]) -> dict[str, Any]:
    """What was recorded of one piece of work."""
    SEEN.clear()
    try:
        work()
    except (openai.APIError, asyncio.CancelledError) as error:
        del error
    flush()
    time.sleep(0.2)
    text = said(SEEN)
    failed = any(span.status.status_code is trace.StatusCode.ERROR for span in SEEN)
    return {
        "spans": len(SEEN),
        "usage": str(INPUT) in text and str(OUTPUT) in text,
        "cached": str(CACHED) in text,
        "cost": any("cost" in key for span in SEEN for key in span.attributes or {}),
        "failed": failed,
        "told": failed or any(word in text for word in ("abandoned", "cancelled", "CancelledError", "interrupted")),
        "content": SECRET in text,
    }


def scenarios(url: str) -> dict[str, Callable[[], object]]:
    """The pieces of work."""
    client = openai.OpenAI(base_url=url, api_key="bench", max_retries=0)
    create: Any = client.chat.completions.create

    def left() -> None:
        stream = create(model="gpt-4o-mini", messages=MESSAGES, stream=True)
        next(iter(stream))
        stream.close()

    async def cancelled() -> None:
        async with openai.AsyncOpenAI(base_url=url, api_key="bench", max_retries=0) as later:
            call: Any = later.chat.completions.create
            task = asyncio.create_task(call(model="gpt-4o-mini", messages=MESSAGES, extra_headers=CUES))
            await asyncio.sleep(0.4)
            task.cancel()
            await task

    return {
        "plain": lambda: create(model="gpt-4o-mini", messages=MESSAGES),
        "stream": lambda: list(create(model="gpt-4o-mini", messages=MESSAGES, stream=True)),
        "left": left,
        "cancelled": lambda: asyncio.run(cancelled()),
        "responses": lambda: client.responses.create(model="gpt-4o-mini", input=SECRET),
        "refused": lambda: create(
            model="gpt-4o-mini", messages=MESSAGES, extra_headers={"X-Demo": json.dumps({"status": 404})}
        ),
    }


def main() -> None:
    name, url, content = sys.argv[1:]
    worker.NoSpans.export = keep  # type: ignore[method-assign]
    worker.QUIET = content == "off"
    flush = worker.SET_UPS[name]()
    provider: Any = trace.get_tracer_provider()
    if name == "spanwatch":
        provider.add_span_processor(SimpleSpanProcessor(worker.NoSpans()))
    found = {what: facts(work, flush) for what, work in scenarios(url).items()}
    print(json.dumps(found))


if __name__ == "__main__":
    main()
