"""Rules: what is wrong, from when on. `Rule(...)` is PromQL or a predicate; the functions here make the usual ones.

Give them to `spanwatch.configure(rules=[...])`, or declare them in `spanwatch.toml`.
"""

from __future__ import annotations

from spanwatch.core.errors import EvaluationError, ExpressionError
from spanwatch.core.rules import Firing, Rule, Snapshot
from spanwatch.core.rules.defaults import defaults
from spanwatch.core.rules.making import (
    budget,
    burn_rate,
    error_rate,
    feedback,
    latency,
    spend,
    telemetry_loss,
    unpriced_share,
)

__all__ = [
    "EvaluationError",
    "ExpressionError",
    "Firing",
    "Rule",
    "Snapshot",
    "budget",
    "burn_rate",
    "defaults",
    "error_rate",
    "feedback",
    "latency",
    "spend",
    "telemetry_loss",
    "unpriced_share",
]
