"""PromQL over metrics of the registry: their names, labels and filters follow from it."""

from __future__ import annotations

from collections.abc import Sequence

from spanwatch.core import names
from spanwatch.core.call import CallStatus
from spanwatch.core.names import AGENT_NAME, CALL_STATUS, METRICS, REQUEST_MODEL, TOOL_NAME, Metric
from spanwatch.core.prometheus import label_name
from spanwatch.core.rules.defaults import defaults
from spanwatch.core.rules.making import series
from spanwatch.generate.grafana.declared import Step, Variable

RATE = "$__rate_interval"
RANGE = "$__range"
MOST = 20  # values of a variable, and lines of a ranking: sensible at 1,000 agents, too
AXES: dict[Variable, str] = {"model": REQUEST_MODEL, "agent": AGENT_NAME, "tool": TOOL_NAME}
# The labels by which processes are told apart; the latter is there where they are scraped through one door.
PROCESS = ("instance", "process_pid")
# Attributes with as many values as an application likes.
UNBOUNDED = (
    *(names.AGENT_NAME, names.REQUEST_MODEL, names.TOOL_NAME, names.REQUEST_NAME, names.WORKFLOW_NAME),
    *(names.APP_VERSION, names.BUDGET_SCOPE, names.FOREIGN_SCOPE, names.ERROR_TYPE),
)
EVERYWHERE = ('job=~"$service"', 'deployment_environment_name=~"$environment"')  # the latter is there with OTLP only
By = Sequence[str]
MADE = f'{label_name(CALL_STATUS)}!="{CallStatus.REFUSED.value}"'  # a refused call was not made


def selector(metric: Metric, part: str = "", *matchers: str, narrow: Sequence[Variable] = ()) -> str:
    """The series of a metric that the dashboard's variables choose; `matchers` choose further.

    Raises:
        ValueError: the metric is not registered, or has no such label.
    """
    if metric not in METRICS:
        raise ValueError(f"{metric.name} is not in METRICS")
    known = {label_name(key) for key in metric.attributes}
    for matcher in matchers:
        label = matcher.split("=")[0].rstrip("!")
        if label not in known | {"le"}:
            raise ValueError(f"{metric.name} has no label {label}; it has {', '.join(sorted(known))}")
    narrowed = [f'{label_name(AXES[each])}=~"${each}"' for each in narrow if label_name(AXES[each]) in known]
    return f"{series(metric, part)}{{{', '.join((*EVERYWHERE, *narrowed, *matchers))}}}"


def labels(by: By) -> str:
    """A clause that keeps these attributes as labels."""
    return f" by ({', '.join(map(label_name, by))})" if by else ""


def on(by: By) -> str:
    """A clause that matches by these attributes."""
    return f"on ({', '.join(map(label_name, by))})"


def word(key: str) -> str:
    """What people call an attribute: the name before its last `.name`, else its last word."""
    parts = [part for part in key.split(".") if part != "name"]
    return parts[-1].replace("_", " ") if parts else key


def legend(by: By) -> str:
    """What each line is called."""
    return " ".join(f"{{{{{label_name(key)}}}}}" for key in by)


def _of(metric: Metric) -> str:
    return "_count" if metric.kind == "histogram" else ""


def rate(metric: Metric, by: By = (), *matchers: str, narrow: Sequence[Variable] = (), part: str | None = None) -> str:
    """Events per second: of a counter, or of a histogram's observations (`part` is another series of it)."""
    chosen = selector(metric, _of(metric) if part is None else part, *matchers, narrow=narrow)
    return f"sum{labels(by)} (rate({chosen}[{RATE}]))"


def increase(
    metric: Metric, by: By = (), *matchers: str, narrow: Sequence[Variable] = (), part: str | None = None
) -> str:
    """Events in the range of the dashboard."""
    chosen = selector(metric, _of(metric) if part is None else part, *matchers, narrow=narrow)
    return f"sum{labels(by)} (increase({chosen}[{RANGE}]))"


def or_none(some: str, every: str) -> str:
    """Of those that failed: 0, and not nothing, for whatever ran and did not fail."""
    return f"({some} or 0 * {every})"


def most(expression: str) -> str:
    """The highest of them."""
    return f"topk({MOST}, {expression})"


def quantile(share: float, metric: Metric, by: By = (), *, narrow: Sequence[Variable] = ()) -> str:
    """A percentile of a histogram."""
    chosen = selector(metric, "_bucket", narrow=narrow)
    return f"histogram_quantile({share:g}, sum{labels(('le', *by))} (rate({chosen}[{RATE}])))"


def range_quantile(share: float, metric: Metric, by: By = ()) -> str:
    """A percentile over the range of the dashboard."""
    chosen = selector(metric, "_bucket")
    return f"histogram_quantile({share:g}, sum{labels(('le', *by))} (increase({chosen}[{RANGE}])))"


def mean(metric: Metric, by: By = (), *, narrow: Sequence[Variable] = ()) -> str:
    """The mean of a histogram's observations."""
    return f"{rate(metric, by, narrow=narrow, part='_sum')} / {rate(metric, by, narrow=narrow)}"


def range_mean(metric: Metric, by: By = ()) -> str:
    """The mean over the range of the dashboard."""
    return f"{increase(metric, by, part='_sum')} / {increase(metric, by)}"


def bound_of(rule: str) -> float:
    """The value at which a shipped rule fires: the number at the end of its expression.

    Raises:
        KeyError: there is no such rule.
    """
    expr = {each.name: each.expr for each in defaults()}[rule]
    return float(str(expr).split()[-1])


def worse_above(warn: float, bad: float | None = None) -> tuple[Step, ...]:
    """Green below, then orange, then red."""
    last = () if bad is None else (Step(bad, "red"),)
    return (Step(None, "green"), Step(warn, "red" if bad is None else "orange"), *last)


def worse_below(warn: float, bad: float | None = None) -> tuple[Step, ...]:
    """Red at the bottom, then orange, then green."""
    if bad is None:
        return (Step(None, "red"), Step(warn, "green"))
    return (Step(None, "red"), Step(bad, "orange"), Step(warn, "green"))
