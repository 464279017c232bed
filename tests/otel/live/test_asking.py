"""stats() and health() on real instruments."""

import os
import subprocess
import sys
import textwrap
import threading
import time

import pytest
from opentelemetry import metrics
from opentelemetry.metrics import Observation
from opentelemetry.sdk.metrics import Counter, MeterProvider
from opentelemetry.sdk.metrics.export import AggregationTemporality, InMemoryMetricReader
from opentelemetry.sdk.metrics.view import ExponentialBucketHistogramAggregation, View

import spanwatch
from spanwatch.core import names
from spanwatch.core.errors import ConfigurationError
from spanwatch.otel.live.reader import LiveReader
from spanwatch.otel.setup import INSTANCE


def meter():
    return metrics.get_meter("app")


def test_every_kind_of_instrument_of_the_application_has_its_statistics_at_once(configured):
    configured()
    counter, queue = meter().create_counter("orders", "{order}"), meter().create_up_down_counter("queue")
    gauge, latency = meter().create_gauge("temperature", "Cel"), meter().create_histogram("latency", "s")
    meter().create_observable_counter("seen", [lambda _: [Observation(7, {"k": "x"})]])
    for n in range(1, 101):
        counter.add(2)
        latency.record(n)
    queue.add(5)
    queue.add(-2)
    gauge.set(21.5)
    orders, times = spanwatch.stats("orders"), spanwatch.stats("latency", "5m")
    assert (orders.kind, orders.unit, orders.sum, orders.rate) == ("counter", "{order}", 200.0, 200 / 300)
    assert (times.count, times.sum, times.mean, times.min, times.max) == (100.0, 5050.0, 50.5, 1.0, 100.0)
    assert times.p95_bounds == (75.0, 100.0)
    assert times.p95_bounds[0] <= 95 <= times.p95_bounds[1]
    assert times.p95 == 95.0
    assert (spanwatch.stats("queue").last, spanwatch.stats("temperature").last) == (3.0, 21.5)
    assert spanwatch.stats("seen", k="x").sum == 7.0


def test_an_exponential_histogram_has_them_too(configured, no_providers):
    view = View(instrument_name="latency", aggregation=ExponentialBucketHistogramAggregation())
    metrics.set_meter_provider(MeterProvider([InMemoryMetricReader()], views=[view], shutdown_on_exit=False))
    configured()
    latency = meter().create_histogram("latency", "s")
    for n in range(1, 101):
        latency.record(n)
    found = spanwatch.stats("latency")
    assert (found.kind, found.count, found.min, found.max) == ("exponential", 100.0, 1.0, 100.0)
    assert found.p95_bounds[0] <= 95 <= found.p95_bounds[1] < 1.1 * found.p95_bounds[0]


def test_groups_and_labels(configured):
    configured()
    calls = meter().create_counter("calls")
    calls.add(1, {"gen_ai.request.model": "a"})
    calls.add(2, {"gen_ai.request.model": "b"})
    found = spanwatch.stats("calls", by="gen_ai.request.model")
    assert [(each.labels, each.sum) for each in found] == [
        ({"gen_ai.request.model": "a"}, 1.0),
        ({"gen_ai.request.model": "b"}, 2.0),
    ]
    assert spanwatch.stats("calls", gen_ai_request_model="b").sum == 2.0
    assert spanwatch.stats("calls", gen_ai_request_model="c").sum is None
    (one,) = spanwatch.stats("calls", by=["service.name", "process.pid"])
    assert one.labels == {"service.name": "bot", "process.pid": str(os.getpid())}


def test_wrong_questions_say_what_is_known(configured):
    configured()
    meter().create_counter("orders").add(1)
    with pytest.raises(ValueError, match=r"no instrument 'ordres' has recorded anything; did you mean 'orders'\?"):
        spanwatch.stats("ordres")
    with pytest.raises(ValueError, match="'5 parsecs' is no length of time"):
        spanwatch.stats("orders", "5 parsecs")
    with pytest.raises(ValueError, match="window 4d is longer than samples are kept: 3d at most"):
        spanwatch.health("4d")
    with pytest.raises(ValueError, match="'speed=1' is none of"):
        spanwatch.health(thresholds="speed=1")


def test_an_instrument_of_ours_that_recorded_nothing_is_unknown_and_not_zero(configured):
    configured()
    found = spanwatch.stats(names.COST_USD)
    assert (found.sum, found.rate, found.count) == (None, None, None)


def test_without_configuration_a_question_says_so_and_health_has_no_data(no_providers, monkeypatch):
    with pytest.raises(ConfigurationError, match=r"call spanwatch\.configure"):
        spanwatch.stats("orders")
    assert spanwatch.health().state == "no_data"
    monkeypatch.setenv("OTEL_SDK_DISABLED", "true")
    assert spanwatch.stats("orders").sum is None
    assert spanwatch.stats("orders", by="k") == ()


def test_with_the_interval_at_zero_no_reader_is_made(configured):
    assert configured(live_interval=0).live is None
    with pytest.raises(ConfigurationError, match="live_interval is 0"):
        spanwatch.stats("orders")
    assert spanwatch.health().state == "no_data"


def test_health_is_that_of_the_requests(configured):
    runtime = configured()
    request = runtime.metrics.meter().create_histogram(
        names.REQUEST_DURATION.name, "s", explicit_bucket_boundaries_advisory=names.REQUEST_DURATION.buckets
    )
    assert spanwatch.health().state == "no_data"
    for _ in range(8):
        request.record(0.2, {names.OUTCOME: "ok"})
    request.record(0.2, {names.OUTCOME: "cancelled"})
    assert spanwatch.health().state == "healthy"
    for _ in range(4):
        request.record(0.2, {names.OUTCOME: "error", names.ERROR_TYPE: "TimeoutError"})
    found = spanwatch.health()
    assert (found.state, found.measures.errors) == ("unhealthy", (("TimeoutError", 4.0),))
    assert spanwatch.health("10m", thresholds="success_rate=off").state == "healthy"


def test_one_question_does_not_colour_the_answer_to_another(configured):
    runtime = configured()
    request = runtime.metrics.meter().create_histogram(names.REQUEST_DURATION.name, "s")
    for outcome in ("ok", "error"):
        request.record(0.2, {names.OUTCOME: outcome})
    assert spanwatch.health().state == "unhealthy"
    assert spanwatch.health(thresholds="success_rate=0.4/0.1").state == "healthy"
    for _ in range(98):
        request.record(0.2, {names.OUTCOME: "ok"})
    assert spanwatch.health().state == "unhealthy"
    assert "not yet clearly better" in str(spanwatch.health())


def test_the_setting_health_has_the_limits(configured):
    runtime = configured(health="mean_s=0.1/0.5")
    request = runtime.metrics.meter().create_histogram(names.REQUEST_DURATION.name, "s")
    request.record(0.2, {names.OUTCOME: "ok"})
    assert spanwatch.health().state == "degraded"
    with pytest.raises(ConfigurationError, match="setting health"):
        configured(health="mean=1")


# Readers ----------------------------------------------------------------------------------------------------------


def readers():
    consumer = metrics.get_meter_provider()._measurement_consumer
    return list(consumer._reader_storages)


def test_there_is_one_reader_and_the_exporter_rides_on_it(configured, sink):
    configured(endpoint=sink.url)
    meter().create_counter("orders").add(3)
    assert [type(reader) for reader in readers()] == [LiveReader]
    assert spanwatch.flush(5)
    (orders,) = [metric for metric, _, _ in sink.metrics() if metric.name == "orders"]
    assert orders.sum.data_points[0].as_int == 3
    assert orders.sum.aggregation_temporality == 2
    assert spanwatch.stats("orders").sum == 3.0


def test_the_exporter_gets_its_collections_at_its_own_interval(configured, sink, monkeypatch):
    monkeypatch.setenv("OTEL_METRIC_EXPORT_INTERVAL", "100")
    configured(endpoint=sink.url)
    meter().create_counter("orders").add(3)
    deadline = time.monotonic() + 10
    while len({id(request) for _, request in sink.requests}) < 3 and time.monotonic() < deadline:
        time.sleep(0.02)
    assert len(sink.requests) >= 3


def test_an_exporter_that_wants_deltas_has_a_reader_of_its_own(configured, sink, monkeypatch):
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE", "DELTA")
    configured(endpoint=sink.url)
    meter().create_counter("orders").add(3)
    assert len(readers()) == 2
    assert spanwatch.flush(5)
    (orders,) = [metric for metric, _, _ in sink.metrics() if metric.name == "orders"]
    assert orders.sum.aggregation_temporality == 1
    assert spanwatch.stats("orders").sum == 3.0


def test_a_dead_collector_delays_no_sample_and_what_is_owed_is_told(configured, sink):
    sink.gate.clear()
    configured(endpoint=sink.url)
    meter().create_counter("orders").add(3)
    told = spanwatch.flush(0.2)
    assert [(left.signal, left.count) for left in told.undelivered] == [("metrics", 1)]
    began = time.monotonic()
    assert spanwatch.stats("orders").sum == 3.0
    assert time.monotonic() - began < 2
    sink.gate.set()


def test_a_provider_of_the_application_is_joined_and_all_its_instruments_are_seen(configured, no_providers):
    theirs = InMemoryMetricReader(preferred_temporality={Counter: AggregationTemporality.DELTA})
    metrics.set_meter_provider(MeterProvider([theirs], shutdown_on_exit=False))
    configured()
    meter().create_counter("orders").add(3)
    assert spanwatch.stats("orders").sum == 3.0
    assert len(readers()) == 2
    data = theirs.get_metrics_data()
    assert data.resource_metrics[0].scope_metrics[0].metrics[0].data.aggregation_temporality == 1


def test_a_provider_that_comes_later_takes_over_and_nothing_counts_twice(configured):
    configured()
    orders = meter().create_counter("orders")
    orders.add(5)
    assert spanwatch.stats("orders").sum == 5.0
    provider = MeterProvider([InMemoryMetricReader()], shutdown_on_exit=False)
    metrics.set_meter_provider(provider)
    orders.add(2)
    assert spanwatch.stats("orders").sum == 7.0
    orders.add(1)
    assert spanwatch.stats("orders").sum == 8.0
    provider.shutdown()


def test_a_callback_that_fails_or_asks_back_harms_nobody(configured):
    configured()

    def asking(_options):
        spanwatch.stats(names.CALLS.name)
        yield Observation(4)

    def failing(_options):
        raise RuntimeError("broken")

    meter().create_observable_gauge("asking", [asking])
    meter().create_observable_gauge("failing", [failing])
    meter().create_counter("orders").add(1)
    assert spanwatch.stats("orders").sum == 1.0
    assert spanwatch.stats("asking").last == 4.0


def test_many_threads_may_record_and_ask_and_no_sum_is_lost(configured):
    configured()
    orders, latency = meter().create_counter("orders"), meter().create_histogram("latency")

    def work(n):
        for _ in range(200):
            orders.add(1, {"n": str(n % 4)})
            latency.record(1.0)
        spanwatch.stats("orders", by="n")

    threads = [threading.Thread(target=work, args=(n,)) for n in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (spanwatch.stats("orders").sum, spanwatch.stats("latency").count) == (3200.0, 3200.0)


def test_shutdown_ends_the_thread_and_shares_a_last_time(configured, tmp_path):
    configured()
    meter().create_counter("orders").add(3)
    assert spanwatch.shutdown(5)
    assert not [thread for thread in threading.enumerate() if thread.name == "spanwatch-live" and thread.is_alive()]
    configured()
    assert spanwatch.stats("orders").sum == 3.0


def test_memory_does_not_grow_with_observations(configured):
    runtime = configured()
    latency = meter().create_histogram("latency")
    latency.record(1.0)
    spanwatch.stats("latency")
    with runtime.live._lock:
        before = runtime.live._ring.size
    for n in range(20_000):
        latency.record(n % 10)
    assert spanwatch.stats("latency").count == 20_001
    with runtime.live._lock:
        assert runtime.live._ring.size <= before + 3 * (112 + 8 * 20)


# Processes --------------------------------------------------------------------------------------------------------


def test_four_processes_of_one_home_are_one_service(configured, tmp_path):
    program = textwrap.dedent(
        """
        import sys, spanwatch
        from opentelemetry import metrics
        spanwatch.configure(service="bot", home=sys.argv[1], banner="off", live_interval=1)
        metrics.get_meter("app").create_counter("orders").add(int(sys.argv[2]))
        metrics.get_meter("app").create_up_down_counter("queue").add(1)
        assert spanwatch.shutdown(10)
        """
    )
    clean = {key: text for key, text in os.environ.items() if not key.startswith(("OTEL_", "SPANWATCH_", "OPENAI_"))}
    command = [sys.executable, "-c", program, str(tmp_path / "home")]
    running = [subprocess.Popen([*command, str(n)], env=clean, cwd=tmp_path) for n in (1, 2, 3, 4)]
    assert [process.wait(60) for process in running] == [0, 0, 0, 0]
    configured()
    meter().create_counter("orders").add(5)
    assert spanwatch.stats("orders").sum == 15.0
    assert spanwatch.stats("queue").last == 4.0
    assert len(spanwatch.stats("orders", by="process.pid")) == 5


def test_without_a_store_a_process_sees_itself(configured, tmp_path):
    configured(store=False)
    meter().create_counter("orders").add(5)
    assert spanwatch.stats("orders").sum == 5.0
    assert spanwatch.shutdown(5)
    assert not (tmp_path / "home").exists()


@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
def test_a_forked_child_counts_for_itself_and_both_are_one_sum(configured, tmp_path):
    configured()
    orders = meter().create_counter("orders")
    orders.add(5)
    assert spanwatch.stats("orders").sum == 5.0
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            meter().create_counter("orders").add(2)
            code = 0 if spanwatch.stats("orders", process_pid=str(os.getpid())).sum == 2.0 else 3
            INSTANCE.runtime.close(5)
        finally:
            os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    assert spanwatch.stats("orders").sum == 7.0


def test_a_store_that_cannot_be_written_leaves_the_process_its_own_view(configured, tmp_path):
    (tmp_path / "home").write_text("in the way")
    runtime = configured()
    meter().create_counter("orders").add(5)
    runtime.guard.run("sharing samples of metrics", runtime.live._ticked)
    assert runtime.guard.failures["sharing samples of metrics"] >= 1
    assert spanwatch.stats("orders").sum == 5.0


def test_series_above_the_limit_are_one_that_says_so_and_no_sum_is_lost(configured):
    configured()
    orders = meter().create_counter("orders")
    for n in range(2_100):
        orders.add(1, {"user": str(n)})
    assert spanwatch.stats("orders").sum == 2_100.0
    assert spanwatch.stats("orders", otel_metric_overflow="true").sum >= 100.0
