"""The HTTP door: what it serves, to whom, and how it ends."""

import contextlib
import http.client
import json
import os
import socket
import subprocess
import sys
import textwrap
import threading
import time
import urllib.error
import urllib.request

import pytest
from opentelemetry import metrics
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.metrics.view import ExponentialBucketHistogramAggregation, View
from prometheus_client.openmetrics.parser import text_string_to_metric_families as openmetrics
from prometheus_client.parser import text_string_to_metric_families as classic

import spanwatch
from spanwatch.core import names
from spanwatch.core.errors import ConfigurationError
from spanwatch.core.health import Thresholds
from spanwatch.otel.guard import Guard
from spanwatch.otel.scrape import AT_ONCE, Door, names_this_machine
from spanwatch.otel.setup import INSTANCE

OPENMETRICS = "application/openmetrics-text; version=1.0.0"


@pytest.fixture
def door(configured):
    return configured(metrics_port=0).door


def get(door, path, **headers):
    """Status, headers and body of one request."""
    request = urllib.request.Request(door.url + path, headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return answer.status, answer.headers, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.headers, error.read().decode()


def samples(text, parse=classic):
    return {
        (
            each.name,
            tuple(sorted((k, v) for k, v in each.labels.items() if k not in {"process_pid", "service_name"})),
        ): (each.value)
        for family in parse(text)
        for each in family.samples
    }


def record(runtime=None):
    runtime = runtime or INSTANCE.runtime
    meter = runtime.metrics.meter()
    cost = meter.create_counter(names.COST_USD, names.COST.unit, names.COST.description)
    cost.add(0.25, {names.REQUEST_MODEL: "gpt-4o"})
    meter.create_histogram(
        names.INFERENCE_DURATION.name, "s", explicit_bucket_boundaries_advisory=names.INFERENCE_DURATION.buckets
    ).record(0.3)


def test_metrics_have_the_names_that_they_have_by_otlp(door):
    record()
    app = metrics.get_meter("app")
    app.create_up_down_counter("queue", "{job}").add(3)
    app.create_gauge("share", "1").set(0.5)
    status, headers, text = get(door, "/metrics")
    found = samples(text)
    assert (status, headers["Content-Type"].split(";")[0]) == (200, "text/plain")
    assert found["spanwatch_cost_usd_total", (("gen_ai_request_model", "gpt-4o"),)] == 0.25
    assert found["gen_ai_client_inference_duration_seconds_count", ()] == 1.0
    assert found["gen_ai_client_inference_duration_seconds_bucket", (("le", "0.32"),)] == 1.0
    assert found["gen_ai_client_inference_duration_seconds_bucket", (("le", "0.16"),)] == 0.0
    assert found["gen_ai_client_inference_duration_seconds_sum", ()] == 0.3
    assert (found["queue", ()], found["share_ratio", ()]) == (3.0, 0.5)
    assert "# HELP spanwatch_cost_usd_total Cost of model calls in US dollars." in text
    assert "# TYPE spanwatch_cost_usd_total counter" in text
    assert f'process_pid="{os.getpid()}",service_name="bot"' in text


def test_openmetrics_is_given_to_who_asks_for_it(door):
    record()
    status, headers, text = get(door, "/metrics", Accept=OPENMETRICS)
    assert (status, headers["Content-Type"].split(";")[0]) == (200, "application/openmetrics-text")
    assert samples(text, openmetrics)["spanwatch_cost_usd_total", (("gen_ai_request_model", "gpt-4o"),)] == 0.25


def test_an_exponential_histogram_is_given_with_the_ends_of_its_buckets(configured, no_providers):
    view = View(instrument_name="latency", aggregation=ExponentialBucketHistogramAggregation(max_scale=0))
    metrics.set_meter_provider(MeterProvider([InMemoryMetricReader()], views=[view], shutdown_on_exit=False))
    door = configured(metrics_port=0).door
    latency = metrics.get_meter("app").create_histogram("latency")
    for value in (1.5, 3.0, 3.5):
        latency.record(value)
    found = samples(get(door, "/metrics")[2])
    assert {labels: value for (name, labels), value in found.items() if name == "latency_bucket"} == {
        (("le", "2.0"),): 1.0,
        (("le", "4.0"),): 3.0,
        (("le", "+Inf"),): 3.0,
    }


def test_two_meters_of_one_name_are_one_series(door):
    for scope in ("a", "b"):
        metrics.get_meter(scope).create_counter("orders").add(2)
    text = get(door, "/metrics")[2]
    assert samples(text)["orders_total", ()] == 4.0
    assert sum(line.startswith("orders_total{") for line in text.splitlines()) == 1


def test_healthz_is_for_probes(door):
    status, headers, text = get(door, "/healthz")
    assert (status, headers["Content-Type"], json.loads(text)["state"]) == (200, "application/json", "no_data")
    request = INSTANCE.runtime.metrics.meter().create_histogram(names.REQUEST_DURATION.name, "s")
    request.record(0.1, {names.OUTCOME: "ok"})
    assert json.loads(get(door, "/healthz")[2])["state"] == "healthy"
    request.record(0.1, {names.OUTCOME: "error"})
    status, _, text = get(door, "/healthz")
    assert (status, json.loads(text)["state"], json.loads(text)["reasons"][0]["value"]) == (503, "unhealthy", 0.5)


def test_other_paths_and_methods_are_refused(door):
    assert get(door, "/")[0] == 404
    connection = http.client.HTTPConnection(door.url.removeprefix("http://"), timeout=10)
    connection.request("POST", "/metrics", b"x")
    assert connection.getresponse().status == 501
    connection.close()
    connection.request("HEAD", "/healthz")
    answer = connection.getresponse()
    assert (answer.status, answer.read(), int(answer.headers["Content-Length"]) > 0) == (200, b"", True)
    connection.close()


@pytest.mark.parametrize(
    ("host", "allowed"),
    [
        ("localhost:9464", True),
        ("127.0.0.1", True),
        ("[::1]:9464", True),
        ("127.8.8.8:1", True),
        ("evil.example", False),
        ("127.0.0.1.evil.example:9464", False),
        ("", False),
        ("10.0.0.1", False),
    ],
)
def test_only_who_names_this_machine_is_answered_on_loopback(door, host, allowed):
    assert names_this_machine(host) is allowed
    assert get(door, "/healthz", Host=host)[0] == (200 if allowed else 421)


def test_who_sends_nothing_holds_up_nobody_and_too_many_are_closed(door):
    address = ("127.0.0.1", int(door.url.rpartition(":")[2]))
    idle = [socket.create_connection(address, timeout=10) for _ in range(AT_ONCE)]
    deadline = time.monotonic() + 5
    while door._server._room._value and time.monotonic() < deadline:
        time.sleep(0.01)
    with socket.create_connection(address, timeout=10) as surplus:
        surplus.sendall(b"GET /healthz HTTP/1.0\r\nHost: localhost\r\n\r\n")
        with contextlib.suppress(ConnectionResetError):
            assert surplus.recv(100) == b""
    for each in idle:
        each.close()
    while not door._server._room._value and time.monotonic() < deadline:
        time.sleep(0.01)
    assert get(door, "/healthz")[0] == 200


def test_shutdown_closes_it(configured):
    door = configured(metrics_port=0).door
    port = int(door.url.rpartition(":")[2])
    assert spanwatch.shutdown(5)
    assert door.url is None
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port), timeout=5)
    assert not [each for each in threading.enumerate() if each.name == "spanwatch-scrape" and each.is_alive()]


def test_a_port_in_use_is_said_once_and_taken_over_when_it_is_free(configured, caplog):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        door = configured(metrics_port=port).door
        door.ensure()
        assert door.url is None
        said = [record.getMessage() for record in caplog.records if "/metrics" in record.getMessage()]
        where = f"127.0.0.1 port {port}: Address already in use"
        assert said == [f"spanwatch: /metrics is not served by this process: {where}; it is tried again"]
    door.ensure()
    assert get(door, "/healthz")[0] == 200


def test_wrong_settings_are_refused(configured):
    with pytest.raises(ConfigurationError, match="setting metrics_port"):
        configured(metrics_port=70_000)
    with pytest.raises(ConfigurationError, match="setting live_interval"):
        configured(live_interval=0.5)


def test_one_door_serves_every_process_of_the_home(configured, tmp_path):
    program = textwrap.dedent(
        """
        import sys, spanwatch
        from opentelemetry import metrics
        spanwatch.configure(service="bot", home=sys.argv[1], banner="off", live_interval=1)
        metrics.get_meter("app").create_counter("orders").add(7)
        assert spanwatch.shutdown(10)
        """
    )
    clean = {key: text for key, text in os.environ.items() if not key.startswith(("OTEL_", "SPANWATCH_"))}
    subprocess.run([sys.executable, "-c", program, str(tmp_path / "home")], env=clean, check=True, timeout=60)
    door = configured(metrics_port=0).door
    metrics.get_meter("app").create_counter("orders").add(2)
    lines = [line for line in get(door, "/metrics")[2].splitlines() if line.startswith("orders_total{")]
    assert sorted(float(line.split()[-1]) for line in lines) == [2.0, 7.0]


@pytest.mark.parametrize("accept", ["text/plain", OPENMETRICS])
def test_who_reports_is_told_as_prometheus_makes_it_of_otlp(door, accept):
    record()
    spanwatch.stats(names.CALLS.name)  # collects
    _, _, text = get(door, "/metrics", Accept=accept)
    (line,) = [line for line in text.splitlines() if line.startswith("target_info")]
    assert line.endswith("} 1.0")
    assert f'process_pid="{os.getpid()}"' in line


def test_a_door_that_gets_no_thread_any_more_stays_closed_and_its_end_waits_for_nothing(configured, monkeypatch):
    live = configured().live
    door = Door(live, Thresholds(), Guard(), host="127.0.0.1", port=0)
    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", refused)
        door.ensure()
    assert door.url is None
    ended = threading.Thread(target=door.close, daemon=True)
    ended.start()
    ended.join(10)
    assert not ended.is_alive()


def refused(_thread):
    raise RuntimeError("can't create new thread at interpreter shutdown")
