"""A rule on money fires in Prometheus, reaches a webhook through Alertmanager, hides the milder one, and resolves."""

import json
import time
import urllib.request

from stack_rig import eventually, run_traffic


def stop_alerts(stack, value):
    """The gauge that the test's rule listens to, by OTLP as any application sends one."""
    point = {"asDouble": value, "timeUnixNano": str(time.time_ns()), "attributes": []}
    metric = {"name": "stop_alerts", "unit": "{switch}", "gauge": {"dataPoints": [point]}}
    resource = {"attributes": [{"key": "service.name", "value": {"stringValue": "switch"}}]}
    body = {"resourceMetrics": [{"resource": resource, "scopeMetrics": [{"scope": {}, "metrics": [metric]}]}]}
    request = urllib.request.Request(
        f"{stack.endpoint}/v1/metrics", json.dumps(body).encode(), {"Content-Type": "application/json"}
    )
    urllib.request.urlopen(request, timeout=10).close()


def test_spend_fires_reaches_the_webhook_and_resolves(stack, server, hook, tmp_path):
    stop_alerts(stack, 0.0)
    run_traffic(server, "alerted", tmp_path, stack.endpoint)

    firing = eventually(
        lambda: [
            a for a in stack.prometheus.alerts() if a["labels"]["alertname"] == "SpendProven" and a["state"] == "firing"
        ],
        "the rule fires in Prometheus",
    )
    assert {alert["labels"]["severity"] for alert in firing} <= {"critical", "warning"}

    told = eventually(lambda: hook.alerts("SpendProven", "firing"), "the webhook is told")
    assert {alert["labels"]["job"] for alert in told} == {"alerted"}
    assert any(alert["annotations"]["summary"].startswith("alerted spent $0.00") for alert in told)
    receivers = {each["receiver"] for each in hook.told if each["alerts"][0]["labels"]["alertname"] == "SpendProven"}
    critical = eventually(
        lambda: [
            t for t in hook.told if t["receiver"] == "pager" and t["alerts"][0]["labels"]["severity"] == "critical"
        ],
        "the pager is told of the critical one",
    )
    assert critical[0]["version"] == "4"
    assert receivers <= {"pager", "chat"}
    assert not [
        t for t in hook.told if t["receiver"] == "pager" for a in t["alerts"] if a["labels"]["severity"] == "warning"
    ]

    stop_alerts(stack, 1.0)
    resolved = eventually(lambda: hook.alerts("SpendProven", "resolved"), "the webhook is told that it is over")
    assert {alert["labels"]["severity"] for alert in resolved} == {"critical"}


def test_the_shipped_rules_are_loaded_and_healthy(stack):
    groups = stack.prometheus._ask("rules")["groups"]
    rules = {rule["name"]: rule for group in groups for rule in group["rules"]}
    assert {"CollectorDown", "TelemetryLostInCollector", "SpendIsHigh", "CostIsUnknown"} <= rules.keys()
    eventually(
        lambda: all(
            rule["health"] == "ok" for group in stack.prometheus._ask("rules")["groups"] for rule in group["rules"]
        ),
        "every rule evaluated without error",
    )


def test_prometheus_scrapes_the_collector_s_own_metrics(stack):
    eventually(lambda: stack.prometheus.total('up{job="otelcol"}') == 1, "the collector is up")
    for name in (
        "otelcol_exporter_queue_capacity",
        "otelcol_exporter_queue_size",
        "otelcol_receiver_accepted_spans",
    ):
        assert eventually(lambda n=name: stack.prometheus.query(n), name)
