"""Amazon Bedrock, as instrumentations of its client report it: its own counts, which leave cached tokens out."""

from __future__ import annotations

from spanwatch.core.dialects.values import Attributes

Context = tuple[tuple[str, str], ...]
BOTOCORE, OPENLLMETRY = (
    "opentelemetry.instrumentation.botocore.bedrock-runtime",
    "opentelemetry.instrumentation.bedrock",
)
SCOPES = frozenset({BOTOCORE, OPENLLMETRY})


def doubts(scope: str, attributes: Attributes) -> Context:
    """What the price of a call depends on and its span leaves out, so that its cost is approximate."""
    if scope == OPENLLMETRY:
        return (("inference_profile", "cut off the model's name"),)
    if str(attributes.get("rpc.method")).startswith("InvokeModel"):
        return (("cached_tokens", "not reported"),)
    return ()
