"""Structured logs of agents: OTel log records, lines in a file, lines on the console; and a processor for structlog."""

from spanwatch.otel.logs.agent_logger import AgentLogger
from spanwatch.otel.logs.structured import structlog_processor

__all__ = ["AgentLogger", "structlog_processor"]
