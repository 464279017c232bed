"""One contender in its own environment, sending to a collector that misbehaves: losing.py NAME URL COLLECTOR HOW.

HOW is `killed` (calls, then SIGKILL), `left` (calls, then a regular end), `waits:SECONDS` (calls, then it lives on) or
`next` (no call: the process that comes after). Each contender sends as its own documentation sets it up.
"""

import os
import signal
import sys
import time
from typing import Any

import openai
import worker
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter

CALLS = 20
MESSAGES = [{"role": "user", "content": "?"}]
NEXT_S = 5  # what the next process has for what the last one left behind


def set_up(name: str, collector: str) -> worker.Flush:
    """The contender, sending its spans to a collector."""
    if name == "spanwatch":
        import spanwatch

        spanwatch.configure(service="bench", home="home", endpoint=collector, banner="off")
        return spanwatch.flush
    if name == "logfire":
        import logfire

        advanced = logfire.AdvancedOptions(base_url=collector)
        logfire.configure(token="pylf_v1_local_bench", console=False, advanced=advanced)
        logfire.instrument_openai()
        return logfire.force_flush
    if name == "langfuse":
        from langfuse import Langfuse
        from langfuse.openai import OpenAI

        client = Langfuse(public_key="pk-bench", secret_key="sk-bench", base_url=collector)
        openai.OpenAI = OpenAI  # type: ignore[misc]
        return client.flush
    endpoint = f"{collector}/v1/traces"
    worker.NoSpans = lambda: OTLPSpanExporter(endpoint=endpoint)  # type: ignore[misc,assignment]
    return worker.SET_UPS[name]()


def main() -> None:
    name, url, collector, how = sys.argv[1:]
    set_up(name, collector)
    if how == "next":
        time.sleep(NEXT_S)
        return
    client: Any = openai.OpenAI(base_url=url, api_key="bench", max_retries=0)
    for _ in range(CALLS):
        client.chat.completions.create(model="gpt-4o-mini", messages=MESSAGES)
    if how == "killed":
        os.kill(os.getpid(), signal.SIGKILL)
    time.sleep(float(how.partition(":")[2] or 0))


if __name__ == "__main__":
    main()
