"""Overview: how it is, what it costs, what fails; each figure leads to the dashboard that explains it."""

from __future__ import annotations

from spanwatch.core import names
from spanwatch.core.prometheus import label_name
from spanwatch.generate.grafana import asking
from spanwatch.generate.grafana.declared import HALF, Board, Panel, Query, Row, Step
from spanwatch.generate.grafana.panels import by, figure, lines, percentiles

_OUTCOME, _STATUS = label_name(names.OUTCOME), label_name(names.CALL_STATUS)
_JUDGED = f'{_OUTCOME}=~"ok|error"'
_OK = f'{_OUTCOME}="ok"'
_CALL_FAILED, _CALL_JUDGED = f'{_STATUS}="error"', f'{_STATUS}=~"ok|error"'
_FAILED = asking.bound_of("HighErrorRate")
_LOW = asking.bound_of("LowRatings")
_SLOW = asking.bound_of("SlowResponses")
_UNPRICED = asking.bound_of("CostIsUnknown")
_SUCCESS = (
    f"({asking.increase(names.REQUEST_DURATION, (), _OK)} or vector(0)) / "
    f"{asking.increase(names.REQUEST_DURATION, (), _JUDGED)}"
)

NOW = Row(
    "Now",
    (
        figure(
            "Success rate",
            "Requests that succeeded, of those that succeeded or failed. Red where the rule HighErrorRate fires.",
            _SUCCESS,
            "percentunit",
            steps=asking.worse_below(1 - _FAILED / 2, 1 - _FAILED),
        ),
        figure("Requests", "Requests that ended in this range.", asking.increase(names.REQUEST_DURATION), "short"),
        figure(
            "Model calls",
            "Model calls that ended in this range, without those that a budget refused.",
            asking.increase(names.CALLS, (), asking.MADE),
            "short",
        ),
        figure(
            "Mean duration",
            "Mean duration of requests. Red where the rule SlowResponses fires.",
            asking.range_mean(names.REQUEST_DURATION),
            "s",
            steps=asking.worse_above(_SLOW / 2, _SLOW),
        ),
        figure("Cost", "What model calls of this range cost.", asking.increase(names.COST), "currencyUSD"),
        figure(
            "Cost an hour",
            "Dollars an hour, at the pace of this range.",
            f"{asking.increase(names.COST)} * 3600 / $__range_s",
            "currencyUSD",
        ),
        figure(
            "Cost unknown",
            "Part of the model calls whose cost is unknown: sums of money are too low. Red where CostIsUnknown fires.",
            f"({asking.increase(names.UNPRICED_CALLS)} or vector(0)) / {asking.increase(names.CALLS, (), asking.MADE)}",
            "percentunit",
            steps=asking.worse_above(_UNPRICED),
        ),
        figure(
            "Alerts firing",
            "Alerts of Prometheus' rules that fire now; the list is below.",
            'count(ALERTS{alertstate="firing"}) or vector(0)',
            "short",
            steps=(Step(None, "green"), Step(1, "red")),
        ),
    ),
)

TRAFFIC = Row(
    "Traffic",
    (
        lines(
            "Requests by outcome",
            "Requests per second, by how they ended.",
            "reqps",
            by(asking.rate(names.REQUEST_DURATION, (names.OUTCOME,)), (names.OUTCOME,)),
            stacked=True,
        ),
        lines(
            "Model calls by status",
            "Model calls per second, by how they ended.",
            "reqps",
            by(asking.rate(names.CALLS, (names.CALL_STATUS,)), (names.CALL_STATUS,)),
            stacked=True,
        ),
        percentiles(names.REQUEST_DURATION, "Duration of requests", steps=(Step(None, "green"), Step(_SLOW, "red"))),
        lines(
            "Cost an hour by model",
            "Dollars an hour, at the pace of the moment.",
            "currencyUSD",
            by(f"{asking.rate(names.COST, (names.REQUEST_MODEL,))} * 3600", (names.REQUEST_MODEL,)),
            stacked=True,
        ),
        lines(
            "Tokens",
            "Tokens per second. Input includes cached ones, output includes reasoning.",
            "short",
            Query(asking.rate(names.INPUT_TOKENS), "input"),
            Query(asking.rate(names.CACHE_READ_TOKENS), "of it from cache"),
            Query(asking.rate(names.OUTPUT_TOKENS), "output"),
            Query(asking.rate(names.REASONING_TOKENS), "of it reasoning"),
        ),
        Panel(
            "Alerts",
            "What Prometheus' rules found and Alertmanager has; silences are made there.",
            "alertlist",
            "none",
            (),
            HALF,
            8,
        ),
        lines(
            "Part of model calls that failed",
            "Failed ones, of those that succeeded or failed. The line is where the rule HighCallErrorRate fires.",
            "percentunit",
            Query(
                f"({asking.rate(names.CALLS, (), _CALL_FAILED)} or vector(0)) / "
                f"{asking.rate(names.CALLS, (), _CALL_JUDGED)}",
                "failed",
            ),
            steps=(Step(None, "green"), Step(asking.bound_of("HighCallErrorRate"), "red")),
            highest=1,
        ),
        lines(
            "Ratings by users",
            "Mean rating over time, from 1 to 5. The line is where the rule LowRatings fires.",
            "short",
            Query(asking.mean(names.RATING), "average"),
            steps=asking.worse_below(_LOW + 1, _LOW),
            highest=5,
        ),
    ),
)

BOARD = Board(
    "spanwatch-overview",
    "spanwatch / Overview",
    "How agents are, what they cost and what fails.",
    (NOW, TRAFFIC),
)
