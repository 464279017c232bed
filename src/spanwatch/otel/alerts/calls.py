"""Call rules and levels of budgets: what happens once, in whichever process, handed to the one that evaluates."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import replace

from spanwatch.core import names
from spanwatch.core.budgets import Budget, Level
from spanwatch.core.call import Call
from spanwatch.core.prometheus import label_name
from spanwatch.core.rules import Firing, Rule
from spanwatch.otel.guard import Guard

Happen = Callable[[Rule, Firing, int, int], object]
FOREVER_NS = 1 << 62
MAX_TEXT = 256
_SECOND_NS = 1_000_000_000


class CallRules:
    """Asks each call rule of each finished call, on the worker's thread; an observer of the pipeline.

    Args:
        rules: Those with `when=`.
        defer: Runs an action soon, on another thread.
        happen: Takes what happened: rule, firing, when, and until when its alert stands.
        guard: Where failures of predicates stop.
    """

    def __init__(
        self, rules: Sequence[Rule], defer: Callable[[Callable[[], None]], None], happen: Happen, guard: Guard
    ) -> None:
        self._rules, self._defer, self._happen, self._guard = rules, defer, happen, guard

    def __call__(self, call: Call) -> None:
        """Look at one call, soon and elsewhere."""
        if self._rules:
            self._defer(lambda: self.look(call))

    def look(self, call: Call) -> None:
        """Look at one call now."""
        for rule in self._rules:
            if self._guard.run(f"the predicate of rule {rule.name!r}", _meets, rule, call):
                at = min(call.ended_ns, time.time_ns())
                until = at + int(rule.keep_s * _SECOND_NS)
                self._happen(rule, firing_of(call), at, until)


def _meets(rule: Rule, call: Call) -> bool:
    return rule.when is not None and bool(rule.when(call))


def firing_of(call: Call) -> Firing:
    """What a call says of itself: model, provider, agent, status, its trace; the value is what it cost, if known."""
    told = {
        label_name(names.REQUEST_MODEL): call.request_model,
        label_name(names.PROVIDER_NAME): call.provider,
        label_name(names.AGENT_NAME): call.agent,
        label_name(names.CALL_STATUS): call.status.value,
        label_name(names.ERROR_TYPE): call.error_type,
    }
    labels = tuple(sorted((key, value[:MAX_TEXT]) for key, value in told.items() if value))
    cost = None if call.cost is None or call.cost.usd is None else float(call.cost.usd)
    return Firing(labels, cost, (call.trace_id,) if call.trace_id else ())


def watched(rules: Sequence[Rule], happen: Happen) -> tuple[Budget, ...]:
    """The budgets of ledger rules, whose levels are alerts."""
    return tuple(replace(rule.budget, on_level=_level(rule, happen)) for rule in rules if rule.budget is not None)


def _level(rule: Rule, happen: Happen) -> Callable[[Level], None]:
    def told(level: Level) -> None:
        now = time.time_ns()
        until = FOREVER_NS if level.resets_at is None else int(level.resets_at.timestamp() * _SECOND_NS)
        labels = tuple(sorted({"budget": level.budget, "scope": level.scope, "level": f"{level.level:g}"}.items()))
        found = Firing(tuple(pair for pair in labels if pair[1]), float(level.spent))
        happen(rule, found, now, now if level.resolved else until)

    return told


def to_text(firing: Firing, at_ns: int, until_ns: int) -> str:
    """What happened as text for the store."""
    return json.dumps([firing.labels, firing.value, firing.trace_ids, at_ns, until_ns])


def from_text(text: str) -> tuple[Firing, int, int]:
    """What `to_text` gave.

    Raises:
        ValueError, TypeError: the text is nothing of ours.
    """
    labels, value, traces, at_ns, until_ns = json.loads(text)
    pairs = tuple((str(key), str(said)) for key, said in labels)
    return Firing(pairs, value, tuple(map(str, traces))), int(at_ns), int(until_ns)
