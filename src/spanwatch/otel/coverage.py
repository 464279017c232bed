"""What the engines see of the OpenAI client, and what they do not. Loads no client library and no opentelemetry."""

from __future__ import annotations

import importlib.metadata

from spanwatch.core.settings import Settings
from spanwatch.otel.status import Instrumented

COVERED = ("chat", "responses", "completions", "embeddings", "images")
NOT_COVERED = ("audio", "batches", "fine-tuning", "realtime")
OPENLLMETRY = "opentelemetry-instrumentation-openai"


def expected(settings: Settings) -> Instrumented:
    """What a process like this one has instrumented with these settings."""
    if settings.openai == "none":
        return Instrumented(skipped=("openai, by the setting openai='none'",))
    client = _version("openai")
    if client is None:
        return Instrumented(skipped=("openai, which is not installed",))
    if settings.openai == "openllmetry":
        return Instrumented(f"openai {client} by {OPENLLMETRY} {_version(OPENLLMETRY) or '(missing)'}")
    return Instrumented(f"openai {client}: {', '.join(COVERED)}", not_covered=NOT_COVERED)


def _version(distribution: str) -> str | None:
    try:
        return importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return None
