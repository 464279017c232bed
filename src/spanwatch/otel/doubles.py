"""Metrics of other instrumentations that say again what ours say of the same spans: dropped in our own provider."""

from __future__ import annotations

from opentelemetry.sdk.metrics.view import DropAggregation, View

from spanwatch.core.dialects.metrics import DOUBLED, OUTDATED

_METERS = (
    "opentelemetry.instrumentation.openai.v0",
    "opentelemetry.instrumentation.openai.v1",
    "opentelemetry.instrumentation.anthropic",
    "opentelemetry.instrumentation.bedrock",
    "opentelemetry.instrumentation.cohere",
    "opentelemetry.instrumentation.google_generativeai",
    "opentelemetry.instrumentation.groq",
    "opentelemetry.instrumentation.langchain",
    "opentelemetry.instrumentation.mistralai",
    "opentelemetry.instrumentation.ollama",
    "opentelemetry.instrumentation.together",
    "opentelemetry.instrumentation.vertexai",
    "opentelemetry.instrumentation.genai.openai",
    "opentelemetry.instrumentation.genai.anthropic",
    "opentelemetry.instrumentation.genai.google_genai",
    "opentelemetry.instrumentation.genai.langchain",
    "opentelemetry.instrumentation.genai.openai_agents",
)


def dropped() -> list[View]:
    """Views that drop them: those that only others make, whoever does, and those that we make too, by their meter."""
    views = [View(instrument_name=name, aggregation=DropAggregation()) for name in OUTDATED]
    return views + [
        View(instrument_name=name, meter_name=meter, aggregation=DropAggregation())
        for meter in _METERS
        for name in DOUBLED
    ]
