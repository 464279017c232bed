"""A marked run in a process of its own: what stands in the way before `configure()`, then a trace, metrics and a log.

`python -m spanwatch.otel.doctor.mark` reads a JSON object (endpoint, protocol, home, timeout) and prints one.
"""

from __future__ import annotations

import importlib.util
import json
import sys
from typing import Any

from opentelemetry import trace

from spanwatch.otel.environment import settings_from
from spanwatch.otel.logs.agent_logger import AgentLogger
from spanwatch.otel.providers import LOGS, METRICS, TRACES
from spanwatch.otel.setup import INSTANCE, configure, flush, shutdown
from spanwatch.otel.spans import request

SERVICE = "spanwatch-doctor"
REQUEST = "doctor"


def marked(asked: dict[str, Any]) -> dict[str, Any]:
    """Configure as the application would be, but into a store of its own and unsampled; what became of the mark."""
    found: dict[str, Any] = {"present": present(), "wrapped": wrapped()}
    configure(
        service=SERVICE,
        home=asked["home"],
        endpoint=asked["endpoint"],
        protocol=asked["protocol"],
        budgets=(),
        store=True,
        sample=1.0,
        exit_timeout=0.5,
        banner="off",
    )
    runtime = INSTANCE.runtime
    if runtime is None:
        return {**found, "disabled": True}
    with request(REQUEST):
        found["trace_id"] = f"{trace.get_current_span().get_span_context().trace_id:032x}"
        AgentLogger(REQUEST).event("spanwatch doctor")
    told = flush(asked["timeout"])
    found["instance"] = runtime.resource().attributes["service.instance.id"]
    found["joined"] = list(runtime.joined_signals())
    found["lost"] = {left.signal: left.count for left in told.undelivered}
    found["recorded"] = told.recorded
    shutdown(0.5)
    return found


def present() -> dict[str, str]:
    """The providers that are set already: signal → class."""
    existing = {"traces": TRACES.existing(), "metrics": METRICS.existing(), "logs": LOGS.existing()}
    return {signal: type(theirs).__qualname__ for signal, theirs in existing.items() if theirs is not None}


def wrapped() -> str | None:
    """Who has wrapped the OpenAI client that we are to see, as a module's name; None: nobody has, or none is here."""
    if settings_from({}).openai != "spanwatch" or importlib.util.find_spec("openai") is None:
        return None
    import openai  # noqa: PLC0415 (an extra)

    create = openai.resources.chat.completions.Completions.create
    wrapper = getattr(create, "_self_wrapper", create)  # where wrapt keeps it; everybody wraps by wrapt
    module = str(getattr(wrapper, "__module__", None) or type(wrapper).__module__)
    return None if module.partition(".")[0] == "openai" else module


if __name__ == "__main__":
    answer = marked(json.load(sys.stdin))
    sys.stdout.write(json.dumps(answer) + "\n")
