# ruff: noqa: T201 (a script that answers on stdout)
"""A process that switches the call site on by its entry point and nothing else. Run as a script."""

from __future__ import annotations

import sys
from importlib.metadata import entry_points

import openai
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

exporter, provider = InMemorySpanExporter(), TracerProvider()
provider.add_span_processor(SimpleSpanProcessor(exporter))
owner = next(base for base in openai.OpenAI.__mro__ if "request" in vars(base))
original = owner.request
(point,) = entry_points(group="opentelemetry_instrumentor", name="spanwatch-openai")
instrumentor = point.load()()
instrumentor.instrument(tracer_provider=provider)
client = openai.OpenAI(base_url=sys.argv[1], api_key="x")
client.chat.completions.create(model="gpt-4o-mini", messages=[{"role": "user", "content": "x"}])
print(*(span.name for span in exporter.get_finished_spans()), len(exporter.get_finished_spans()))
instrumentor.uninstrument()
client.chat.completions.create(model="gpt-4o-mini", messages=[{"role": "user", "content": "x"}])
print("restored" if owner.request is original else "changed", len(exporter.get_finished_spans()))
