"""What the engines see of the OpenAI client, and what they do not. Loads no client library and no opentelemetry."""

from __future__ import annotations

import importlib.metadata
from dataclasses import dataclass, replace

from spanwatch.core.settings import Settings
from spanwatch.otel.status import Instrumented

COVERED = ("chat", "responses", "completions", "embeddings", "images")
NOT_COVERED = ("audio", "batches", "fine-tuning", "realtime")
_UNASKED = "usage of streams that do not ask for it"


@dataclass(frozen=True, slots=True)
class Engine:
    """Another package that sees calls of the OpenAI client.

    `extra` is the one of ours that installs it, `scope` how the scope of its spans begins, `lacks` what it cannot
    deliver, which is unknown in the numbers.
    """

    distribution: str
    extra: str
    scope: str
    lacks: tuple[str, ...]


ENGINES: dict[str, Engine] = {
    "openllmetry": Engine(
        "opentelemetry-instrumentation-openai",
        "openllmetry",
        "opentelemetry.instrumentation.openai",
        (
            _UNASKED,
            "cancelled calls",
            "responses that fail or stay incomplete",
            "failures in mid-stream",
            "usage of raw streams",
        ),
    ),
    "genai": Engine(
        "opentelemetry-instrumentation-genai-openai",
        "genai",
        "opentelemetry.instrumentation.genai.openai",
        (_UNASKED, "text completions", "images"),
    ),
    "openinference": Engine(
        "openinference-instrumentation-openai",
        "openinference",
        "openinference.instrumentation.openai",
        (_UNASKED, "usage of images", "responses that fail", "server addresses", "response ids"),
    ),
}


def expected(settings: Settings) -> Instrumented:
    """What a process like this one has instrumented with these settings."""
    found = _client(settings)
    agents = _version("openai-agents") if settings.agents else None
    if agents is None:
        return found
    phrase = f"openai-agents {agents}, whose own exporter to its vendor stays as the program sets it"
    return replace(found, phrase=phrase if found.phrase is None else f"{found.phrase}; {phrase}")


def _client(settings: Settings) -> Instrumented:
    if settings.openai == "none":
        return Instrumented(skipped=("openai, by the setting openai='none'",))
    client = _version("openai")
    if client is None:
        return Instrumented(skipped=("openai, which is not installed",))
    engine = ENGINES.get(settings.openai)
    if engine is None:
        return Instrumented(f"openai {client}: {', '.join(COVERED)}", not_covered=NOT_COVERED)
    version = _version(engine.distribution) or "(missing)"
    return Instrumented(f"openai {client} by {engine.distribution} {version}", not_covered=engine.lacks)


def _version(distribution: str) -> str | None:
    try:
        return importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return None
