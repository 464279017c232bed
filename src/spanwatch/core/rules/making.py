"""Rules for the usual questions. Each is PromQL over the registry's metrics, so Prometheus can have it too."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal, InvalidOperation
from typing import Any, Literal

from spanwatch.core import names
from spanwatch.core.budgets import Budget
from spanwatch.core.budgets.scopes import ALIASES
from spanwatch.core.call import CallStatus
from spanwatch.core.durations import Duration, seconds, written
from spanwatch.core.errors import ConfigurationError
from spanwatch.core.names import Metric
from spanwatch.core.prometheus import label_name, metric_name
from spanwatch.core.rules.declaration import Rule

By = str | Sequence[str] | None
Of = Literal["requests", "calls"]
_JOB = "job"
_ALIASES = {
    **{key: value for key, value in ALIASES.items() if key not in {"user", "conversation", "service"}},
    "service": _JOB,
    "job": _JOB,
    "tool": names.TOOL_NAME,
    "request": names.REQUEST_NAME,
    "version": names.APP_VERSION,
}
_LEDGER_ONLY = frozenset({"user", "conversation", names.USER_ID, names.CONVERSATION_ID})
_BURNS = (("1h", "5m", 14.4, "critical"), ("6h", "30m", 6.0, "critical"), ("3d", "6h", 1.0, "warning"))


def series(metric: Metric, part: str = "") -> str:
    """What Prometheus calls a metric of the registry; `part` is `_bucket`, `_count` or `_sum` of a histogram."""
    return metric_name(metric.name, metric.kind, metric.unit) + part


def error_rate(above: float = 0.1, window: Duration = "5m", by: By = None, *, of: Of = "requests", **rule: Any) -> Rule:
    """More than `above` (a part of 1) of the requests, or model calls, of the window failed; refused ones apart."""
    _share("above", above)
    ratio = _failed_share(of, window, by)
    what = "requests" if of == "requests" else "model calls"
    return _rule(
        rule,
        name="HighErrorRate" if of == "requests" else "HighCallErrorRate",
        expr=f"{ratio} > {above:g}",
        severity="critical",
        summary=f"{{{{ $value | humanizePercentage }}}} of {what} failed in {_told(window)}{_of(by)}.",
        description=f"More than {above:.4g} of them; see spanwatch report and the traces named here.",
    )


def latency(
    p: float | None = 95,
    above: Duration = "5s",
    window: Duration = "5m",
    by: By = None,
    *,
    of: Of = "requests",
    **rule: Any,
) -> Rule:
    """The `p`-th percentile of durations, or with None their mean, was above a length of time."""
    metric = names.REQUEST_DURATION if of == "requests" else names.INFERENCE_DURATION
    labels, limit, span = _labels(by, metric), seconds(above), _told(window)
    if p is None:
        grown = [f"{_sum(labels)} (rate({series(metric, part)}[{span}]))" for part in ("_sum", "_count")]
        expr, figure = f"{grown[0]} / {grown[1]} > {limit:g}", "mean"
    else:
        if not 1 <= p < 100:
            raise ConfigurationError(f"p is a percentile from 1 and below 100, such as 95, not {p}")
        inner = f"{_sum((*labels, 'le'))} (rate({series(metric, '_bucket')}[{span}]))"
        expr, figure = f"histogram_quantile({p / 100:g}, {inner}) > {limit:g}", f"p{p:g}"
    what = "Requests" if of == "requests" else "Model calls"
    return _rule(
        rule,
        name="SlowResponses" if of == "requests" else "SlowCalls",
        expr=expr,
        summary=f"{what} took {{{{ $value | humanizeDuration }}}} ({figure} of {span}){_of(by)}.",
        description=f"The limit is {written(limit)}.",
    )


def spend(above_usd: float | Decimal = 50, per: Duration = "1d", by: By = None, **rule: Any) -> Rule:
    """More than `above_usd` dollars were spent in `per`, a length of time up to 3 days.

    By user or conversation, which are on no metric, the ledger answers, in process only: `per` may then also be a
    window of budgets, such as `calendar month`.
    """
    axes = _axes(by)
    limit = _dollars(above_usd)
    if _LEDGER_ONLY & set(axes):
        window = per if isinstance(per, str) else written(seconds(per))
        name = str(rule.get("name", f"SpendBy{''.join(axis.rpartition('.')[2].title() for axis in axes)}"))
        budget = Budget(f"rule: {name}", limit, per=axes, window=window, levels=(1.0,), mode="observe")
        return _rule(
            rule,
            name=name,
            budget=budget,
            summary=f'{{{{ $labels.scope }}}} spent ${{{{ $value | printf "%.2f" }}}} in {window}.',
            description=f"The limit is ${limit}.",
        )
    expr = f"{_sum(_labels(by, names.COST))} (increase({series(names.COST)}[{_told(per)}])) > {limit}"
    return _rule(
        rule,
        name="SpendIsHigh",
        expr=expr,
        summary=f'${{{{ $value | printf "%.2f" }}}} were spent in {_told(per)}{_of(by)}.',
        description=f"The limit is ${limit}. Calls without a known price are not in it.",
    )


def budget(of: str = "*", at: float = 1.0, **rule: Any) -> Rule:
    """The budget of this name, or any, has spent `at` (0.8 is 80 %) of its limit, in any scope that is shown."""
    _share("at", at, most=10)
    labels = (label_name(names.BUDGET_NAME), label_name(names.BUDGET_SCOPE))
    which = f'{{{labels[0]}="{_quoted(of)}"}}' if of != "*" else ""
    return _rule(
        rule,
        name=f"BudgetAt{at * 100:g}Percent",
        expr=f"max {_by(labels)}({series(names.BUDGET_UTILIZATION)}{which}) >= {at:g}",
        severity="critical" if at >= 1 else "warning",
        summary=f"Budget {{{{ $labels.{labels[0]} }}}} is spent to {{{{ $value | humanizePercentage }}}}.",
        description=f"Of scope {{{{ $labels.{labels[1]} }}}}; see spanwatch budgets.",
    )


def feedback(below: float = 3.0, window: Duration = "1d", by: By = None, *, at_least: int = 5, **rule: Any) -> Rule:
    """The mean rating, 1 to 5, of the window was below, with `at_least` so many ratings."""
    if not 1 < below <= 5:
        raise ConfigurationError(f"below is a rating above 1 and at most 5, not {below}")
    labels, span = _labels(by, names.RATING), _told(window)
    total, count = (f"{_sum(labels)} (increase({series(names.RATING, part)}[{span}]))" for part in ("_sum", "_count"))
    return _rule(
        rule,
        name="LowRatings",
        expr=f"{total} / ({count} >= {at_least:g}) < {below:g}",
        summary=f'Users rate it {{{{ $value | printf "%.1f" }}}} of 5 in {span}{_of(by)}.',
        description="What they say, see spanwatch feedback.",
    )


def unpriced_share(above: float = 0.05, window: Duration = "1h", by: By = None, **rule: Any) -> Rule:
    """More than `above` (a part of 1) of the calls have no known cost: every sum of money is too low."""
    _share("above", above)
    labels, span = _labels(by, names.UNPRICED_CALLS), _told(window)
    ratio = " / ".join(
        f"{_sum(labels)} (increase({series(each)}[{span}]))" for each in (names.UNPRICED_CALLS, names.CALLS)
    )
    return _rule(
        rule,
        name="CostIsUnknown",
        expr=f"{ratio} > {above:g}",
        for_="10m",
        summary=f"{{{{ $value | humanizePercentage }}}} of the calls have no price{_of(by)}.",
        description="Sums of money are too low. See spanwatch price; a price file of your own adds what is missing.",
    )


def telemetry_loss(above: float = 0, window: Duration = "10m", **rule: Any) -> Rule:
    """Telemetry itself lost items."""
    label = label_name(names.ERROR_TYPE)
    return _rule(
        rule,
        name="TelemetryIsLost",
        expr=f"sum by ({label}) (increase({series(names.TELEMETRY_DROPPED)}[{_told(window)}])) > {above:g}",
        summary=f"{{{{ $value | humanize }}}} items of telemetry were lost: {{{{ $labels.{label} }}}}.",
        description="Spans or log records are missing; sums of money stay right in the store.",
    )


def burn_rate(objective: float = 0.99, *, of: Of = "requests", by: By = None, **rule: Any) -> tuple[Rule, ...]:
    """The error budget of an objective (a part of 1) is spent too fast: three pairs of windows.

    Source: The Site Reliability Workbook, chapter 5, multiwindow, multi-burn-rate alerts.
    """
    if not 0 < objective < 1:
        raise ConfigurationError(f"objective is a part of 1, such as 0.99, not {objective}")
    found = []
    for long, short, factor, severity in _BURNS:
        limit = f"{factor:g} * {1 - objective:.12g}"
        sides = [f"{_failed_share(of, window, by)} > {limit}" for window in (long, short)]
        found.append(
            _rule(
                dict(rule),
                name=f"ErrorBudgetBurns{factor:g}Times".replace(".", "_"),
                expr=f"({sides[0]}) and ({sides[1]})",
                severity=severity,
                summary=f"Errors of {long} spend the error budget {factor:g} times as fast as {objective:.6g} allows.",
                description=f"{{{{ $value | humanizePercentage }}}} of {of} failed in {long}, and in {short} as well.",
            )
        )
    return tuple(found)


def _failed_share(of: Of, window: Duration, by: By) -> str:
    if of not in {"requests", "calls"}:
        raise ConfigurationError(f"of must be 'requests' or 'calls', not {of!r}")
    metric, part, attribute = (
        (names.REQUEST_DURATION, "_count", names.OUTCOME) if of == "requests" else (names.CALLS, "", names.CALL_STATUS)
    )
    name, label, span = series(metric, part), label_name(attribute), _told(window)
    judged = f'{label}=~"{CallStatus.OK.value}|{CallStatus.ERROR.value}"'
    failed = f'{label}="{CallStatus.ERROR.value}"'
    total = _sum(_labels(by, metric))
    return f"{total} (rate({name}{{{failed}}}[{span}])) / {total} (rate({name}{{{judged}}}[{span}]))"


def _sum(labels: Sequence[str]) -> str:
    return f"sum {_by(labels)}".strip()


def _by(labels: Sequence[str]) -> str:
    return f"by ({', '.join(labels)}) " if labels else ""


def _axes(by: By) -> tuple[str, ...]:
    return () if by is None else (by,) if isinstance(by, str) else tuple(by)


def _labels(by: By, metric: Metric) -> tuple[str, ...]:
    found = []
    for axis in _axes(by):
        if axis in _LEDGER_ONLY:
            raise ConfigurationError(f"{axis} is on no metric: only spend(by={axis!r}) has it, from the ledger")
        name = _ALIASES.get(axis, axis)
        if name != _JOB and name not in metric.attributes:
            known = ", ".join((_JOB, *metric.attributes))
            raise ConfigurationError(f"{metric.name} has no attribute {axis!r}; by may be of {known}")
        found.append(label_name(name))
    return tuple(found)


def _of(by: By) -> str:
    return "".join(f" of {{{{ $labels.{label_name(_ALIASES.get(axis, axis))} }}}}" for axis in _axes(by))


def _told(window: Duration) -> str:
    return written(seconds(window))


def _quoted(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def _share(what: str, value: float, most: float = 1) -> None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= most:
        raise ConfigurationError(f"{what} is a part of 1, from 0 to {most:g}, such as 0.1 for 10 %, not {value!r}")


def _dollars(above_usd: object) -> Decimal:
    try:
        found = Decimal(str(above_usd))
    except InvalidOperation:
        found = Decimal(0)
    if not found.is_finite() or found <= 0:
        raise ConfigurationError(f"above_usd is a number of US dollars above 0, such as 50, not {above_usd!r}")
    return found


def _rule(given: dict[str, Any], **usual: Any) -> Rule:
    """The rule, in which what is given goes before what is usual."""
    return Rule(**{**usual, **given})
