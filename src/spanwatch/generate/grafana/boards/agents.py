"""Agents and tools: runs, what they call, how long it takes, what fails; and one row for each agent."""

from __future__ import annotations

from spanwatch.core import names
from spanwatch.core.names import AGENT_NAME, ERROR_TYPE, REQUEST_MODEL, TOOL_NAME, TOOL_TYPE, WORKFLOW_NAME
from spanwatch.core.prometheus import label_name
from spanwatch.generate.grafana import asking
from spanwatch.generate.grafana.declared import HALF, THIRD, Board, Row, Variable
from spanwatch.generate.grafana.panels import by, lines, percentiles, sheet

_AGENT: list[Variable] = ["agent"]
_TOOL = (TOOL_NAME, TOOL_TYPE)
_RUNS = asking.increase(names.AGENT_DURATION, (AGENT_NAME,))
_USES = asking.increase(names.TOOL_DURATION, _TOOL)
_FAILED = f'{label_name(ERROR_TYPE)}!=""'
_RUNS_FAILED = asking.or_none(asking.increase(names.AGENT_DURATION, (AGENT_NAME,), _FAILED), _RUNS)

AGENTS = Row(
    "Agents",
    (
        sheet(
            "Agents",
            "Runs of this range, the dearest agents first. A name leads to what it costs.",
            (AGENT_NAME,),
            [
                ("cost", "currencyUSD", asking.increase(names.COST, (AGENT_NAME,))),
                ("runs", "short", _RUNS),
                ("failed", "short", _RUNS_FAILED),
                ("p95", "s", asking.range_quantile(0.95, names.AGENT_DURATION, (AGENT_NAME,))),
                ("model calls a run", "short", asking.range_mean(names.AGENT_INFERENCE_CALLS, (AGENT_NAME,))),
                ("tool calls a run", "short", asking.range_mean(names.AGENT_TOOL_CALLS, (AGENT_NAME,))),
            ],
            link="spanwatch-cost",
            passes="agent",
        ),
        lines("Duration of agents, p95", "p95 of the runs of the agents chosen above.", "s",
              by(asking.quantile(0.95, names.AGENT_DURATION, (AGENT_NAME,), narrow=_AGENT), (AGENT_NAME,))),
        lines("Model calls of a run", "Mean number of model calls of one run: loops show here.", "short",
              by(asking.mean(names.AGENT_INFERENCE_CALLS, (AGENT_NAME,), narrow=_AGENT), (AGENT_NAME,))),
        lines("Tool calls of a run", "Mean number of tool calls of one run.", "short",
              by(asking.mean(names.AGENT_TOOL_CALLS, (AGENT_NAME,), narrow=_AGENT), (AGENT_NAME,))),
        lines("Workflows, p95", "p95 of the runs of each workflow.", "s",
              by(asking.quantile(0.95, names.WORKFLOW_DURATION, (WORKFLOW_NAME,)), (WORKFLOW_NAME,))),
    ),
)  # fmt: skip

TOOLS = Row(
    "Tools",
    (
        sheet(
            "Tools",
            "Executions of this range, the most used tools first.",
            _TOOL,
            [
                ("executions", "short", _USES),
                ("failed", "short", asking.or_none(asking.increase(names.TOOL_DURATION, _TOOL, _FAILED), _USES)),
                ("p50", "s", asking.range_quantile(0.5, names.TOOL_DURATION, _TOOL)),
                ("p95", "s", asking.range_quantile(0.95, names.TOOL_DURATION, _TOOL)),
            ],
            width=HALF,
        ),
        lines("Failures of tools", "Failed executions per second, with tool and kind.", "reqps",
              by(asking.rate(names.TOOL_DURATION, (TOOL_NAME, ERROR_TYPE), _FAILED), (TOOL_NAME, ERROR_TYPE))),
        percentiles(names.TOOL_DURATION, "Duration of tools", narrow=_AGENT),
    ),
)  # fmt: skip

EACH = Row(
    "Agent $agent",
    (
        lines("Cost an hour", "Dollars an hour of this agent, by model.", "currencyUSD",
              by(f"{asking.rate(names.COST, (REQUEST_MODEL,), narrow=_AGENT)} * 3600", (REQUEST_MODEL,)),
              width=THIRD, stacked=True),
        lines("Model calls", "Model calls per second of this agent, by how they ended.", "reqps",
              by(asking.rate(names.CALLS, (names.CALL_STATUS,), narrow=_AGENT), (names.CALL_STATUS,)),
              width=THIRD, stacked=True),
        percentiles(names.AGENT_DURATION, "Duration of runs", narrow=_AGENT, width=THIRD),
    ),
    repeat="agent",
)  # fmt: skip

BOARD = Board(
    "spanwatch-agents",
    "spanwatch / Agents and tools",
    "What agents do, with which tools, how long it takes and what fails.",
    (AGENTS, TOOLS, EACH),
    ("agent",),
)
