"""agent(), workflow(), tool(), retrieval() and request(): each a decorator and a context manager."""

from spanwatch.otel.spans.scopes import agent, request, retrieval, tool, workflow

__all__ = ["agent", "request", "retrieval", "tool", "workflow"]
