"""Rule: what is wrong, from when on, how bad it is, and what to tell."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, field
from datetime import timedelta
from typing import Any, Literal, Protocol

from spanwatch.core.budgets import Budget
from spanwatch.core.call import Call
from spanwatch.core.durations import Duration, seconds, written
from spanwatch.core.errors import ConfigurationError
from spanwatch.core.promql import Expr, load
from spanwatch.core.promql.tracks import Element
from spanwatch.core.rules.alert import ALERTNAME, SEVERITIES, SEVERITY, Alert, Severity
from spanwatch.core.rules.templates import check as check_text

MAX_FOR_S = 3 * 86_400.0
MAX_LABELS = 20
ONCE_S = 300.0  # how long a call rule's alert stands after its last call
_LABEL = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")


class Snapshot(Protocol):
    """What a rule in Python may ask."""

    at_ns: int

    def query(self, expr: str) -> float | Sequence[Element]:
        """The value of a PromQL expression now."""
        ...


Found = bool | float | Mapping[str, float] | None
Check = Callable[[Snapshot], Found]
When = Callable[[Call], object]
Action = Callable[[Alert], object]


@dataclass(frozen=True, slots=True)
class Rule:
    """When to alert, and how; validated here.

    Exactly one says when:
        expr: PromQL, which Prometheus understands in the same way; each element of its result is an alert. It looks
            back 3 days at most.
        when: A predicate of one finished `Call`, asked as it ends, in process only. The alert stands for
            `keep_firing_for`, by default 5 minutes, after the last such call.
        check: A callable over a `Snapshot`, in process only: it returns whether, or a value, or values by the text of
            a label `of`; None and False are no alert.
        budget: A budget of mode observe or warn, whose levels are the alerts: what spends scopes that no metric has.

    `for_` is how long it has to be true before it fires, `keep_firing_for` how long it stays after. `no_data` says what
    it means that no series is there at all: `ok`, `alert`, or `keep` what was. `summary` and `description` may have
    `{{ $labels.NAME }}` and `{{ $value }}`. While it fires, the rules that it `inhibits` are not notified of where
    shared labels agree. `on_fire` and `on_resolve` are called with the alert, by the process that evaluates.

    Raises:
        TypeError: an argument is of a wrong type.
        ConfigurationError: an argument has a value that cannot be; an expression's names the place.
    """

    name: str
    expr: str | None = None
    _: KW_ONLY
    for_: Duration = "0s"
    severity: Severity = "warning"
    summary: str = ""
    description: str = ""
    labels: Mapping[str, str] = field(default_factory=dict, hash=False)
    runbook_url: str = ""
    dashboard_url: str = ""
    keep_firing_for: Duration = "0s"
    no_data: Literal["ok", "alert", "keep"] = "ok"
    when: When | None = None
    check: Check | None = None
    budget: Budget | None = None
    inhibits: Sequence[str] = ()
    on_fire: Action | None = None
    on_resolve: Action | None = None
    loaded: Expr | None = field(init=False, repr=False, compare=False)
    for_s: float = field(init=False, repr=False, compare=False)
    keep_s: float = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        who = f"rule {_name(self.name)!r}"
        try:
            derived = _derived(self)
        except TypeError as error:
            raise TypeError(f"{who}: {error}") from None
        except ValueError as error:
            raise ConfigurationError(f"{who}: {error}") from None
        for key, value in derived.items():
            object.__setattr__(self, key, value)

    @property
    def portable(self) -> bool:
        """Whether Prometheus can evaluate it."""
        return self.loaded is not None


def distinct(rules: Iterable[Rule]) -> tuple[Rule, ...]:
    """The rules, which must have names of their own: alerts are known by them.

    Raises:
        TypeError: one is no Rule.
        ConfigurationError: two have the same name and severity, or one inhibits a rule that is not there.
    """
    found: dict[tuple[str, str], Rule] = {}
    for rule in rules:
        if not isinstance(rule, Rule):
            raise TypeError(f"rules must be Rule(...), not {rule!r}")
        if (rule.name, rule.severity) in found:
            raise ConfigurationError(f"two {rule.severity} rules are named {rule.name!r}: name one of them otherwise")
        found[rule.name, rule.severity] = rule
    names = {name for name, _ in found}
    for rule in found.values():
        for other in rule.inhibits:
            if other not in names:
                raise ConfigurationError(f"rule {rule.name!r} inhibits {other!r}, and there is no such rule")
    return tuple(found.values())


def _derived(rule: Rule) -> dict[str, Any]:
    ways = [name for name in ("expr", "when", "check", "budget") if getattr(rule, name) is not None]
    if len(ways) != 1:
        raise ValueError(f"give one of expr, when, check and budget, not {' and '.join(ways) or 'none'}")
    for name in ("when", "check", "on_fire", "on_resolve"):
        if getattr(rule, name) is not None and not callable(getattr(rule, name)):
            raise TypeError(f"{name} must be a callable, not {getattr(rule, name)!r}")
    if rule.severity not in SEVERITIES:
        raise ValueError(f"severity must be one of {', '.join(SEVERITIES)}, not {rule.severity!r}")
    if rule.no_data not in {"ok", "alert", "keep"}:
        raise ValueError(f"no_data must be 'ok', 'alert' or 'keep', not {rule.no_data!r}")
    for name in ("summary", "description"):
        check_text(_text(name, getattr(rule, name)))
    for name in ("runbook_url", "dashboard_url"):
        _link(name, getattr(rule, name))
    keep_s = _length("keep_firing_for", rule.keep_firing_for)
    return {
        "loaded": None if rule.expr is None else load(rule.expr),
        "labels": _labels(rule.labels),
        "for_s": _length("for_", rule.for_),
        "keep_s": keep_s or (ONCE_S if rule.when is not None else 0.0),
        "inhibits": (rule.inhibits,) if isinstance(rule.inhibits, str) else tuple(rule.inhibits),
        "budget": _observed(rule.budget),
    }


def _observed(budget: Budget | None) -> Budget | None:
    if budget is not None and budget.mode == "block":
        raise ValueError(f"budget {budget.name!r} blocks calls: give it to budgets=, or mode='observe' here")
    return budget


def _name(name: object) -> str:
    if not isinstance(name, str):
        raise TypeError(f"a rule's name must be text, not {type(name).__name__}")
    if not name.strip() or len(name) > 100 or not name.isprintable():
        raise ConfigurationError(f"a rule's name must be 1 to 100 printable characters, not {name[:120]!r}")
    return name


def _text(what: str, text: object) -> str:
    if not isinstance(text, str):
        raise TypeError(f"{what} must be text, not {type(text).__name__}")
    return text


def _link(what: str, url: object) -> None:
    if _text(what, url) and not re.fullmatch(r"https?://[^\s<>\"|]{1,1000}", str(url)):
        raise ValueError(f"{what} must be an http or https URL, not {url!r}")


def _length(what: str, length: Duration) -> float:
    if length in (0, "0", "0s", timedelta()):
        return 0.0
    try:
        length_s = seconds(length)
    except ValueError as error:
        raise ValueError(f"{what}: {error}") from None
    if length_s > MAX_FOR_S:
        raise ValueError(f"{what} is {written(MAX_FOR_S)} at most, not {written(length_s)}")
    return length_s


def _labels(labels: Mapping[str, str]) -> dict[str, str]:
    if not isinstance(labels, Mapping):
        raise TypeError(f"labels must map names to texts, not {labels!r}")
    if len(labels) > MAX_LABELS:
        raise ValueError(f"{MAX_LABELS} labels at most, not {len(labels)}")
    for key, value in labels.items():
        if not isinstance(key, str) or not _LABEL.fullmatch(key) or key in {ALERTNAME, SEVERITY}:
            raise ValueError(
                f"{key!r} cannot be a label: letters, digits and _, and neither {ALERTNAME} nor {SEVERITY}"
            )
        check_text(_text(f"label {key}", value))
    return dict(labels)
