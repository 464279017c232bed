"""Amazon Bedrock, as instrumentations of its client report it: its own counts, which leave cached tokens out."""

from __future__ import annotations

from spanwatch.core import names
from spanwatch.core.dialects.values import Attributes

Context = tuple[tuple[str, str], ...]
BOTOCORE, OPENLLMETRY = (
    "opentelemetry.instrumentation.botocore.bedrock-runtime",
    "opentelemetry.instrumentation.bedrock",
)
SCOPES = frozenset({BOTOCORE, OPENLLMETRY})
_GUESSED_MODELS = ("cohere.command", "mistral")  # botocore's package takes six characters of their text for a token


def doubts(scope: str, attributes: Attributes) -> Context:
    """What the price of a call depends on and its span leaves out, or guesses, so that its cost is not certain."""
    if scope == OPENLLMETRY:
        return (("inference_profile", "cut off the model's name"),)
    if str(attributes.get("rpc.method")).startswith("InvokeModel"):
        model = str(attributes.get(names.REQUEST_MODEL))
        guessed = any(name in model for name in _GUESSED_MODELS)
        return (("usage", "estimated") if guessed else ("cached_tokens", "not reported"),)
    return ()
