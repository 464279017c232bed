"""The dashboards, in the order of their menu."""

from __future__ import annotations

from spanwatch.generate.grafana.boards import agents, cost, latency, overview, quality, telemetry, traces
from spanwatch.generate.grafana.declared import Board

BOARDS: tuple[Board, ...] = (
    overview.BOARD,
    cost.BOARD,
    latency.BOARD,
    agents.BOARD,
    quality.BOARD,
    traces.BOARD,
    telemetry.BOARD,
)
