"""spanwatch: every model call of an agent traced, truly priced, and kept."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from spanwatch.core.budgets import Budget as Budget
    from spanwatch.core.call import Call as Call
    from spanwatch.core.call import Cost as Cost
    from spanwatch.core.call import Usage as Usage
    from spanwatch.core.errors import BudgetExceeded as BudgetExceeded
    from spanwatch.core.errors import CircuitOpen as CircuitOpen
    from spanwatch.core.errors import ConfigurationError as ConfigurationError
    from spanwatch.core.errors import SpanwatchError as SpanwatchError
    from spanwatch.core.health import Health as Health
    from spanwatch.core.rules import Alert as Alert
    from spanwatch.core.rules import Rule as Rule
    from spanwatch.core.windows import Stats as Stats
    from spanwatch.otel.alerts.asking import breaker as breaker
    from spanwatch.otel.asking import report as report
    from spanwatch.otel.asking import trace as trace
    from spanwatch.otel.feedback import Feedback as Feedback
    from spanwatch.otel.feedback import FeedbackAnalysis as FeedbackAnalysis
    from spanwatch.otel.feedback import FeedbackCollector as FeedbackCollector
    from spanwatch.otel.feedback import analyze_feedback as analyze_feedback
    from spanwatch.otel.feedback import feedback as feedback
    from spanwatch.otel.feedback import feedback_app as feedback_app
    from spanwatch.otel.feedback import feedback_token as feedback_token
    from spanwatch.otel.feedback import feedback_wsgi as feedback_wsgi
    from spanwatch.otel.live.asking import health as health
    from spanwatch.otel.live.asking import stats as stats
    from spanwatch.otel.logs import AgentLogger as AgentLogger
    from spanwatch.otel.monitor import AgentMonitor as AgentMonitor
    from spanwatch.otel.price import price as price
    from spanwatch.otel.setup import configure as configure
    from spanwatch.otel.setup import flush as flush
    from spanwatch.otel.setup import shutdown as shutdown
    from spanwatch.otel.spans import agent as agent
    from spanwatch.otel.spans import request as request
    from spanwatch.otel.spans import retrieval as retrieval
    from spanwatch.otel.spans import tool as tool
    from spanwatch.otel.spans import workflow as workflow
    from spanwatch.reports.report import Report as Report
    from spanwatch.store.trace import Trace as Trace

_HOMES = {
    "Budget": "spanwatch.core.budgets",
    "BudgetExceeded": "spanwatch.core.errors",
    "AgentLogger": "spanwatch.otel.logs",
    "AgentMonitor": "spanwatch.otel.monitor",
    "Alert": "spanwatch.core.rules",
    "Call": "spanwatch.core.call",
    "CircuitOpen": "spanwatch.core.errors",
    "ConfigurationError": "spanwatch.core.errors",
    "Cost": "spanwatch.core.call",
    "Feedback": "spanwatch.otel.feedback",
    "FeedbackAnalysis": "spanwatch.otel.feedback",
    "FeedbackCollector": "spanwatch.otel.feedback",
    "Health": "spanwatch.core.health",
    "Report": "spanwatch.reports.report",
    "Rule": "spanwatch.core.rules",
    "SpanwatchError": "spanwatch.core.errors",
    "Stats": "spanwatch.core.windows",
    "Trace": "spanwatch.store.trace",
    "Usage": "spanwatch.core.call",
    "agent": "spanwatch.otel.spans",
    "analyze_feedback": "spanwatch.otel.feedback",
    "breaker": "spanwatch.otel.alerts.asking",
    "configure": "spanwatch.otel.setup",
    "feedback": "spanwatch.otel.feedback",
    "feedback_app": "spanwatch.otel.feedback",
    "feedback_token": "spanwatch.otel.feedback",
    "feedback_wsgi": "spanwatch.otel.feedback",
    "flush": "spanwatch.otel.setup",
    "health": "spanwatch.otel.live.asking",
    "price": "spanwatch.otel.price",
    "report": "spanwatch.otel.asking",
    "request": "spanwatch.otel.spans",
    "retrieval": "spanwatch.otel.spans",
    "shutdown": "spanwatch.otel.setup",
    "stats": "spanwatch.otel.live.asking",
    "tool": "spanwatch.otel.spans",
    "trace": "spanwatch.otel.asking",
    "workflow": "spanwatch.otel.spans",
}

__all__ = [
    "AgentLogger",
    "AgentMonitor",
    "Alert",
    "Budget",
    "BudgetExceeded",
    "Call",
    "CircuitOpen",
    "ConfigurationError",
    "Cost",
    "Feedback",
    "FeedbackAnalysis",
    "FeedbackCollector",
    "Health",
    "Report",
    "Rule",
    "SpanwatchError",
    "Stats",
    "Trace",
    "Usage",
    "agent",
    "analyze_feedback",
    "breaker",
    "configure",
    "feedback",
    "feedback_app",
    "feedback_token",
    "feedback_wsgi",
    "flush",
    "health",
    "price",
    "report",
    "request",
    "retrieval",
    "shutdown",
    "stats",
    "tool",
    "trace",
    "workflow",
]


def __getattr__(name: str) -> Any:
    if name == "__version__":
        return importlib.import_module("importlib.metadata").version("spanwatch")
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module 'spanwatch' has no attribute {name!r}")
    return getattr(importlib.import_module(home), name)


def __dir__() -> list[str]:
    return sorted([*__all__, "__version__"])
