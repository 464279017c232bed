import pytest

from spanwatch.core import names
from spanwatch.core.prometheus import label_name, metric_name


@pytest.mark.parametrize(
    ("name", "kind", "unit", "expected"),
    [
        ("spanwatch.cost.usd", "counter", "{USD}", "spanwatch_cost_usd_total"),
        ("gen_ai.client.inference.duration", "histogram", "s", "gen_ai_client_inference_duration_seconds"),
        ("http.server.request.duration", "histogram", "ms", "http_server_request_duration_milliseconds"),
        ("bytes.sent", "counter", "By", "bytes_sent_total"),
        ("io.rate", "gauge", "By/s", "io_rate_bytes_per_second"),
        ("cpu.share", "gauge", "1", "cpu_share_ratio"),
        ("requests_total", "counter", "1", "requests_total"),
        ("2xx", "counter", "", "_2xx_total"),
        ("a..b--c", "gauge", "", "a_b_c"),
    ],
)
def test_an_instrument_has_the_name_that_prometheus_gives_it(name, kind, unit, expected):
    assert metric_name(name, kind, unit) == expected


def test_our_own_names_are_distinct():
    found = [metric_name(metric.name, metric.kind, metric.unit) for metric in names.METRICS]
    assert len(set(found)) == len(found)


@pytest.mark.parametrize(
    ("key", "expected"), [("gen_ai.request.model", "gen_ai_request_model"), ("2nd", "key_2nd"), ("a-b", "a_b")]
)
def test_an_attribute_has_the_name_that_prometheus_gives_it(key, expected):
    assert label_name(key) == expected
