"""Cost and budgets: where the money goes, how sure that is, and how far budgets are used."""

from __future__ import annotations

from spanwatch.core import names
from spanwatch.core.names import AGENT_NAME, APP_VERSION, COST_REASON, COST_SOURCE, COST_STATUS, REQUEST_MODEL
from spanwatch.core.prometheus import label_name
from spanwatch.generate.grafana import asking
from spanwatch.generate.grafana.declared import HALF, THIRD, Board, Panel, Query, Row, Variable
from spanwatch.generate.grafana.panels import by, figure, lines, ranking, sheet

_NEAR, _SPENT = asking.bound_of("BudgetIsNearlySpent"), asking.bound_of("BudgetIsSpent")
_SCOPES = (names.BUDGET_NAME, names.BUDGET_SCOPE)
_ACCOUNTS = (*_SCOPES, *asking.PROCESS)
_BUDGET = (names.BUDGET_NAME,)
_DAY = asking.bound_of("SpendIsHigh")


def _standing(metric: names.Metric) -> str:
    """Shared accounts once, by whichever process says it; a process's own, which it keeps in memory, one by one."""
    ledger = label_name(names.BUDGET_LEDGER)
    shared, own = (asking.selector(metric, "", f'{ledger}{sign}"memory"') for sign in ("!=", "="))
    return f"max{asking.labels(_SCOPES)} ({shared}) or max{asking.labels(_ACCOUNTS)} ({own})"


_USED = _standing(names.BUDGET_UTILIZATION)
_CACHED = asking.increase(names.CACHE_READ_TOKENS, narrow=["model"])


_BOTH: list[Variable] = ["model", "agent"]


def _hourly(key: str) -> Query:
    return by(f"{asking.most(asking.rate(names.COST, (key,), narrow=_BOTH))} * 3600", (key,))


MONEY = Row(
    "Money",
    (
        figure("Cost", "What model calls of this range cost.", asking.increase(names.COST), "currencyUSD"),
        figure(
            "Cost a day",
            f"Dollars a day at the pace of this range. Red where the rule SpendIsHigh fires: {_DAY:g} dollars.",
            f"{asking.increase(names.COST)} * 86400 / $__range_s",
            "currencyUSD",
            steps=asking.worse_above(_DAY * 0.8, _DAY),
        ),
        figure(
            "Cost a request",
            "Cost of this range over its requests; model calls outside of requests are in it.",
            f"{asking.increase(names.COST)} / {asking.increase(names.REQUEST_DURATION)}",
            "currencyUSD",
        ),
        figure(
            "Input from cache",
            "Part of the input tokens that were read from cache, which cost less.",
            f"({_CACHED} or vector(0)) / {asking.increase(names.INPUT_TOKENS, narrow=['model'])}",
            "percentunit",
        ),
        lines("By model", "Dollars an hour.", "currencyUSD", _hourly(REQUEST_MODEL), stacked=True),
        lines(
            "By agent",
            "Dollars an hour, of the agents that are chosen above: those that cost most.",
            "currencyUSD",
            _hourly(AGENT_NAME),
            stacked=True,
        ),
        ranking("Models", "Cost of this range.", "currencyUSD", asking.increase(names.COST, (REQUEST_MODEL,)),
                (REQUEST_MODEL,), width=THIRD),
        ranking("Agents", "Cost of this range.", "currencyUSD", asking.increase(names.COST, (AGENT_NAME,)),
                (AGENT_NAME,), width=THIRD),
        ranking("Versions", "Cost of this range by the application's version.", "currencyUSD",
                asking.increase(names.COST, (APP_VERSION,)), (APP_VERSION,), width=THIRD),
    ),
)  # fmt: skip

SURE = Row(
    "How sure that is",
    (
        lines("By status", "Dollars an hour: priced, lower bounds (partial), approximate, estimated.", "currencyUSD",
              _hourly(COST_STATUS), width=THIRD, stacked=True),
        lines("By source", "Dollars an hour, by where the price comes from.", "currencyUSD", _hourly(COST_SOURCE),
              width=THIRD, stacked=True),
        lines(
            "Calls without a cost",
            "Calls per second whose cost is unknown, by reason: they are in no sum of money.",
            "reqps",
            by(asking.rate(names.UNPRICED_CALLS, (COST_REASON, REQUEST_MODEL)), (COST_REASON, REQUEST_MODEL)),
            width=THIRD,
        ),
    ),
)  # fmt: skip

TOKENS = Row(
    "Tokens",
    (
        sheet(
            "Models",
            "Tokens and cost of this range.",
            (REQUEST_MODEL,),
            [
                ("cost", "currencyUSD", asking.increase(names.COST, (REQUEST_MODEL,))),
                ("calls", "short", asking.increase(names.CALLS, (REQUEST_MODEL,), asking.MADE)),
                ("input", "short", asking.increase(names.INPUT_TOKENS, (REQUEST_MODEL,))),
                ("read from cache", "short", asking.increase(names.CACHE_READ_TOKENS, (REQUEST_MODEL,))),
                ("written to cache", "short", asking.increase(names.CACHE_WRITE_TOKENS, (REQUEST_MODEL,))),
                ("output", "short", asking.increase(names.OUTPUT_TOKENS, (REQUEST_MODEL,))),
                ("reasoning", "short", asking.increase(names.REASONING_TOKENS, (REQUEST_MODEL,))),
            ],
            link="spanwatch-latency",
            passes="model",
        ),
    ),
)

BUDGETS = Row(
    "Budgets",
    (
        Panel(
            "Used",
            "Part of each limit that is spent: orange and red where BudgetIsNearlySpent and BudgetIsSpent fire.",
            "bargauge",
            "percentunit",
            (Query(asking.most(_USED), asking.legend(_ACCOUNTS), instant=True),),
            HALF,
            steps=asking.worse_above(_NEAR, _SPENT),
            highest=1,
        ),
        lines("Used over time", "The same over time.", "percentunit", by(_USED, _ACCOUNTS),
              steps=asking.worse_above(_NEAR, _SPENT)),
        sheet(
            "Accounts",
            "What each account stands at: spent, reserved by calls in flight, and its limit.",
            _ACCOUNTS,
            [
                (name, "currencyUSD", _standing(metric))
                for name, metric in (("spent", names.BUDGET_SPENT), ("reserved", names.BUDGET_RESERVED),
                                     ("limit", names.BUDGET_LIMIT))
            ],
            width=HALF,
        ),
        lines(
            "Refused, and not enforced",
            "Calls per second that a budget refused, and those whose ledger could not be used.",
            "reqps",
            Query(asking.rate(names.BUDGET_REFUSED, _BUDGET), f"refused {asking.legend(_BUDGET)}"),
            Query(asking.rate(names.BUDGET_UNENFORCED, _BUDGET), f"not enforced {asking.legend(_BUDGET)}"),
        ),
    ),
)  # fmt: skip

EACH = Row(
    "Model $model",
    (
        lines(
            "Its cost an hour by agent",
            "Dollars an hour of this model: the agents above that spend most on it.",
            "currencyUSD",
            by(f"{asking.most(asking.rate(names.COST, (AGENT_NAME,), narrow=_BOTH))} * 3600", (AGENT_NAME,)),
            width=THIRD,
            stacked=True,
        ),
        lines(
            "Its cost an hour by status",
            "Dollars an hour of this model: priced, lower bounds (partial), approximate, estimated.",
            "currencyUSD",
            by(f"{asking.rate(names.COST, (COST_STATUS,), narrow=_BOTH)} * 3600", (COST_STATUS,)),
            width=THIRD,
            stacked=True,
        ),
        lines(
            "Its tokens",
            "Tokens per second of this model. Input includes cached ones, output includes reasoning.",
            "short",
            Query(asking.rate(names.INPUT_TOKENS, narrow=["model"]), "input"),
            Query(asking.rate(names.CACHE_READ_TOKENS, narrow=["model"]), "of it from cache"),
            Query(asking.rate(names.OUTPUT_TOKENS, narrow=["model"]), "output"),
            width=THIRD,
        ),
    ),
    repeat="model",
)

BOARD = Board(
    "spanwatch-cost",
    "spanwatch / Cost and budgets",
    "Where the money goes, how sure that is, and how far budgets are used.",
    (MONEY, SURE, TOKENS, BUDGETS, EACH),
    ("model", "agent"),
)
