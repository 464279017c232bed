"""Traces: the latest ones, spans by operation, and log records with their trace ids."""

from __future__ import annotations

from spanwatch.generate.grafana.asking import EVERYWHERE, MOST, RATE
from spanwatch.generate.grafana.declared import HALF, WIDE, Board, Panel, Query, Row
from spanwatch.generate.grafana.panels import lines

# The collector's span_metrics connector makes these of every span, before any is sampled away.
SPANS = "traces_span_metrics_calls_total"
DURATIONS = "traces_span_metrics_duration_seconds_bucket"
_CHOSEN = ", ".join(EVERYWHERE)
_FAILED = f'{_CHOSEN}, status_code="STATUS_CODE_ERROR"'
_BUCKETS = f"sum by (le, span_name) (rate({DURATIONS}{{{_CHOSEN}}}[{RATE}]))"

TRACES = Row(
    "Traces",
    (
        Panel(
            "Latest traces",
            "Those that were kept, of the service chosen above, in Jaeger. An id opens the trace with its logs.",
            "traces",
            "none",
            (Query("$service", source="jaeger"),),
            WIDE,
            10,
        ),
    ),
)

SPANS_ROW = Row(
    "Spans",
    (
        lines(
            "Spans by name",
            "Spans per second before sampling, those of the most frequent names.",
            "reqps",
            Query(f"topk({MOST}, sum by (span_name) (rate({SPANS}{{{_CHOSEN}}}[{RATE}])))", "{{span_name}}"),
        ),
        lines(
            "Failed spans by name",
            "Failed spans per second before sampling.",
            "reqps",
            Query(
                f"topk({MOST}, sum by (span_name) (rate({SPANS}{{{_FAILED}}}[{RATE}])))",
                "{{span_name}}",
            ),
        ),
        lines(
            "Duration of spans, p95",
            "p95 by name, before sampling; the dots are traces.",
            "s",
            Query(
                f"topk({MOST}, histogram_quantile(0.95, {_BUCKETS}))",
                "{{span_name}}",
                exemplar=True,
            ),
            width=HALF,
        ),
    ),
)

LOGS = Row(
    "Logs",
    (
        Panel(
            "Log records with a trace",
            "What the service said; the trace id in a record's details opens its trace.",
            "logs",
            "none",
            (Query('{service_name=~"$service"} | trace_id != ""', source="loki"),),
            WIDE,
            12,
        ),
    ),
)

BOARD = Board(
    "spanwatch-traces",
    "spanwatch / Traces",
    "Traces, their spans and their log records.",
    (TRACES, SPANS_ROW, LOGS),
    logs=True,
    traces=True,
)
