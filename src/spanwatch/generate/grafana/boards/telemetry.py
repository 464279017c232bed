"""Telemetry health: whether what the other dashboards show is whole, from the application to the back ends."""

from __future__ import annotations

from spanwatch.core import names
from spanwatch.core.names import COST_REASON, DELIVERY_SIGNAL, ERROR_TYPE, FOREIGN_SCOPE
from spanwatch.generate.grafana import asking
from spanwatch.generate.grafana.asking import EVERYWHERE, RATE
from spanwatch.generate.grafana.declared import QUARTER, THIRD, Board, Query, Row, Step
from spanwatch.generate.grafana.panels import by, figure, lines

_BAD = (Step(None, "green"), Step(1, "red"))
_SIGNAL = (DELIVERY_SIGNAL,)
_CHOSEN = ", ".join(EVERYWHERE)
_SIGNALS = ("spans", "metric_points", "log_records")
_COLLECTORS = 'job="otelcol"'  # the scrape job of collector-config/prometheus.yml


def _each(metric: str, by_label: str) -> list[Query]:
    return [
        Query(f"sum by ({by_label}) (rate(otelcol_{metric}_{signal}{{{_COLLECTORS}}}[{RATE}]))",
              f"{signal.replace('_', ' ')} {{{{{by_label}}}}}")
        for signal in _SIGNALS
    ]  # fmt: skip


APPLICATION = Row(
    "Applications",
    (
        figure(
            "Lost",
            "Spans, calls and logs that applications lost in this range. Red where the rule TelemetryIsLost fires.",
            f"{asking.increase(names.TELEMETRY_DROPPED)} or vector(0)",
            "short",
            steps=_BAD,
        ),
        figure(
            "Processes",
            "Processes of the chosen services that report now.",
            f"count(target_info{{{_CHOSEN}}})",
            "short",
        ),
        figure(
            "Without a cost",
            "Model calls of this range whose cost is unknown.",
            f"{asking.increase(names.UNPRICED_CALLS)} or vector(0)",
            "short",
        ),
        figure("Collectors", "Collectors that answer Prometheus.", f"sum(up{{{_COLLECTORS}}})", "short"),
        lines(
            "Lost by kind",
            "Items per second that applications lost: their sums of money stay right in their own stores.",
            "reqps",
            by(asking.rate(names.TELEMETRY_DROPPED, (ERROR_TYPE,)), (ERROR_TYPE,)),
        ),
        lines(
            "Unknown cost by reason",
            "Model calls per second without a cost.",
            "reqps",
            by(asking.rate(names.UNPRICED_CALLS, (COST_REASON,)), (COST_REASON,)),
            width=QUARTER,
        ),
        lines(
            "Unreadable spans by scope",
            "GenAI spans per second of instrumentations that no dialect reads: they are in no sum.",
            "reqps",
            by(asking.rate(names.UNRECOGNISED, (FOREIGN_SCOPE,)), (FOREIGN_SCOPE,)),
            width=QUARTER,
        ),
    ),
)

DELIVERY = Row(
    "Delivery",
    (
        lines(
            "Delivered",
            "Items per second that collectors took from applications, out of the journals of ended processes too.",
            "reqps",
            Query(asking.rate(names.DELIVERY_DELIVERED, _SIGNAL), f"delivered {asking.legend(_SIGNAL)}"),
            Query(asking.rate(names.DELIVERY_RESUMED, _SIGNAL), f"resumed {asking.legend(_SIGNAL)}"),
            Query(asking.rate(names.DELIVERY_EMITTED, _SIGNAL), f"emitted {asking.legend(_SIGNAL)}"),
        ),
        lines("Waiting", "Items that wait in journals or in memory: a collector is away when this grows.", "short",
              Query(f"sum{asking.labels(_SIGNAL)} ({asking.selector(names.DELIVERY_WAITING)})", asking.legend(_SIGNAL)),
              width=QUARTER),
        lines("Will not arrive", "Items per second that will not arrive, by reason.", "reqps",
              by(asking.rate(names.DELIVERY_DROPPED, (*_SIGNAL, ERROR_TYPE)), (*_SIGNAL, ERROR_TYPE)), width=QUARTER),
    ),
)  # fmt: skip

COLLECTOR = Row(
    "Collector",
    (
        lines("Received", "Items per second that collectors took in.", "reqps", *_each("receiver_accepted", "receiver"),
              width=THIRD),
        lines("Sent", "Items per second that collectors sent on.", "reqps", *_each("exporter_sent", "exporter"),
              width=THIRD),
        lines("Refused", "Items per second that collectors refused; senders that keep their data try again.", "reqps",
              *_each("receiver_refused", "receiver"), width=THIRD),
        lines("Not sent", "Items per second that a back end did not take.", "reqps",
              *_each("exporter_send_failed", "exporter"), width=THIRD),
        lines("Dropped at a full queue", "Items per second that found a queue full: they are lost.", "reqps",
              *_each("exporter_enqueue_failed", "exporter"), width=THIRD),
        lines(
            "Queues in use",
            "Part of each exporter's queue that is in use. The line is where the rule CollectorQueueFillsUp fires.",
            "percentunit",
            Query(
                f"max by (exporter) (otelcol_exporter_queue_size{{{_COLLECTORS}}}) / "
                f"max by (exporter) (otelcol_exporter_queue_capacity{{{_COLLECTORS}}})",
                "{{exporter}}",
            ),
            width=THIRD,
            steps=(Step(None, "green"), Step(0.6, "orange"), Step(1, "red")),
            highest=1,
        ),
    ),
)  # fmt: skip

BOARD = Board(
    "spanwatch-telemetry",
    "spanwatch / Telemetry health",
    "Whether what the other dashboards show is whole.",
    (APPLICATION, DELIVERY, COLLECTOR),
)
