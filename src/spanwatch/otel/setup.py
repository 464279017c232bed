"""configure(), flush() and shutdown(): the one right order, for the one instance of a process."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence

from spanwatch.core.budgets import Budget
from spanwatch.core.rules import Rule
from spanwatch.notify.routing import Notifier, Route
from spanwatch.otel.environment import run_id, settings_from
from spanwatch.otel.flushed import Flushed
from spanwatch.otel.instance import Instance

INSTANCE = Instance()


def configure(
    *,
    service: str | None = None,
    home: str | os.PathLike[str] | None = None,
    endpoint: str | None = None,
    protocol: str | None = None,
    content: bool | str | None = None,
    content_max_bytes: int | None = None,
    logs: bool | None = None,
    call_events: bool | None = None,
    openai: str | None = None,
    agents: bool | None = None,
    providers: Mapping[str, str] | None = None,
    stream_usage: bool | None = None,
    executors: bool | None = None,
    cost_attributes: Sequence[str] | None = None,
    prices: str | os.PathLike[str] | None = None,
    budgets: Sequence[Budget] | None = None,
    ledger: str | None = None,
    rules: Sequence[Rule] | str | None = None,
    notify: Sequence[Notifier | Route] | None = None,
    store: bool | None = None,
    retention_days: float | None = None,
    retention_bytes: int | None = None,
    journal_bytes: int | None = None,
    fsync: str | None = None,
    redact: str | Callable[[str], str] | Sequence[str | Callable[[str], str]] | None = None,
    sample: float | None = None,
    live_interval: float | None = None,
    metrics_port: int | None = None,
    metrics_host: str | None = None,
    health: str | None = None,
    feedback_key: str | Sequence[str] | None = None,
    exit_timeout: float | None = None,
    banner: bool | str | None = None,
) -> None:
    """See, price and keep every model call of this process from now on.

    What is not given comes from `SPANWATCH_*`, `OTEL_*`, `spanwatch.toml`, then the defaults. The same settings again
    do nothing, others begin anew. Providers that are set, before or later, are joined. Each, and its default:

    - service, home: The resource's `service.name`; the directory of the embedded store, `.spanwatch`.
    - endpoint, protocol: OTLP base URL, such as `http://localhost:4318`; `http/protobuf` or `grpc`.
    - content, content_max_bytes, redact: Whether prompts are recorded, off; cut at; secrets (patterns, callables).
    - logs, call_events: Whether standard log records go out as OTel logs, and each call emits an event; off.
    - openai, agents, providers: Who sees calls, such as `genai`; whether Agents SDK runs are traced, off; hosts.
    - stream_usage, executors: Whether streams are asked for usage; whether pools run in the submitter's span; on.
    - cost_attributes, prices: Further attributes with the dollars, `gen_ai.usage.cost`; a file of your own prices.
    - budgets, ledger, rules, notify: `Budget(...)`s; `memory`, `sqlite`, `redis://...`; `Rule(...)`s; who is told.
    - store, retention_days, retention_bytes: Whether it is written, on; age and size at which it forgets its oldest.
    - journal_bytes, fsync: What may wait for a collector, 256 MiB; `interval` (0.5 s) against a power cut, `never`.
    - sample, live_interval: Ratio of traces kept, such as 0.01 (every call counts); seconds between live samples, 15.
    - metrics_port, metrics_host: Where `/metrics` and `/healthz` are served; nowhere, and on 127.0.0.1.
    - health, feedback_key: Limits, such as `success_rate=0.95/0.9, p95_s=off`; the secret of tokens, the home's own.
    - exit_timeout, banner: Seconds that the end may wait, 2; the start line, `auto` (terminal or log), `on`, `off`.

    Raises:
        ConfigurationError: a setting is wrong; the text names it, its origin, its value and the remedy.
    """
    INSTANCE.start(settings_from(locals()), run_id())


def shutdown(timeout: float | None = None) -> Flushed:
    """Hand over what is pending within `timeout` seconds (the configured exit timeout), then stop seeing calls.

    The providers stay in force and hand out working tracers; `configure()` may be called again.
    """
    return INSTANCE.stop(timeout)


def flush(timeout: float = 10.0) -> Flushed:
    """Hand over everything that ended before, waiting `timeout` seconds at most; true when all of it has arrived."""
    runtime = INSTANCE.runtime
    return Flushed(recorded=True) if runtime is None else runtime.flush(timeout)
