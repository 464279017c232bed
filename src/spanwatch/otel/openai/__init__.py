"""The OpenAI call site: every model call of the `openai` client as a span and a priced `Call`.

The client library is loaded when the call site is switched on, not before.
"""

from spanwatch.otel.openai.instrumentor import OpenAIInstrumentor

__all__ = ["OpenAIInstrumentor"]
