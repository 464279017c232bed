"""Cost and budgets: where the money goes, how sure that is, and how far budgets are used."""

from __future__ import annotations

from spanwatch.core import names
from spanwatch.core.names import AGENT_NAME, APP_VERSION, COST_REASON, COST_SOURCE, COST_STATUS, REQUEST_MODEL
from spanwatch.generate.grafana import asking
from spanwatch.generate.grafana.declared import HALF, THIRD, Board, Panel, Query, Row
from spanwatch.generate.grafana.panels import by, figure, lines, ranking, sheet

_NEAR, _SPENT = asking.bound_of("BudgetIsNearlySpent"), asking.bound_of("BudgetIsSpent")
_SCOPES = (names.BUDGET_NAME, names.BUDGET_SCOPE)
_BUDGET = (names.BUDGET_NAME,)
_DAY = asking.bound_of("SpendIsHigh")
_USED = f"max{asking.labels(_SCOPES)} ({asking.selector(names.BUDGET_UTILIZATION)})"
_CACHED = f"{asking.increase(names.CACHE_READ_TOKENS, narrow=['model'])}"


def _hourly(key: str) -> Query:
    return by(f"{asking.rate(names.COST, (key,), narrow=['model', 'agent'])} * 3600", (key,))


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
            (Query(asking.most(_USED), asking.legend(_SCOPES), instant=True),),
            HALF,
            steps=asking.worse_above(_NEAR, _SPENT),
            highest=1,
        ),
        lines("Used over time", "The same over time.", "percentunit", by(_USED, _SCOPES),
              steps=asking.worse_above(_NEAR, _SPENT)),
        sheet(
            "Accounts",
            "What each account stands at: spent, reserved by calls in flight, and its limit.",
            _SCOPES,
            [
                (name, "currencyUSD", f"max{asking.labels(_SCOPES)} ({asking.selector(metric)})")
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

BOARD = Board(
    "spanwatch-cost",
    "spanwatch / Cost and budgets",
    "Where the money goes, how sure that is, and how far budgets are used.",
    (MONEY, SURE, TOKENS, BUDGETS),
    ("model", "agent"),
)
