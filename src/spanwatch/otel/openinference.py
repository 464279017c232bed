"""OpenInference's instrumentation kept discreet: what quotes content is taken out where its spans are made."""

from __future__ import annotations

import importlib
import json
from collections.abc import Callable
from typing import Any

from spanwatch.core.dialects.openinference import PARAMETERS
from spanwatch.core.dialects.values import document

_TOLD = frozenset(
    {
        "model",
        "stream",
        "temperature",
        "top_p",
        "n",
        "max_tokens",
        "max_completion_tokens",
        "max_output_tokens",
        "frequency_penalty",
        "presence_penalty",
        "seed",
        "service_tier",
        "reasoning_effort",
        "dimensions",
        "encoding_format",
    }
)


def discreet_config(*, content: bool) -> Any:
    """A `TraceConfig` of OpenInference: with content off its switches are set, and settings keep their names only.

    Its own switch for the settings of a call would take the model too, which the price of a failed call needs.

    Raises:
        ImportError: the package is not installed.
    """
    theirs = importlib.import_module("openinference.instrumentation")
    if content:
        return theirs.TraceConfig(hide_embeddings_vectors=True)

    class Discreet(theirs.TraceConfig):  # type: ignore[misc, name-defined]  # the class comes from an extra
        def mask(self, key: str, value: Any, **more: Any) -> Any:
            masked = super().mask(key, value, **more)
            return _told(masked) if key in PARAMETERS else masked

    hidden = ("inputs", "outputs", "llm_tools", "prompts", "choices", "embeddings_text", "embeddings_vectors")
    return Discreet(**{f"hide_{part}": True for part in hidden}, hide_retrieval_documents=True)


def _told(parameters: str | Callable[[], str] | None) -> str | None:
    """The settings of a call, those that may quote content without their value."""
    stated = parameters() if callable(parameters) else parameters
    if stated is None:
        return None
    found = {str(name): value if name in _TOLD else None for name, value in document(stated).items()}
    return json.dumps(found)
