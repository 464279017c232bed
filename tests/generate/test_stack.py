"""The stack as processes: arguments, environment and files, from the shipped texts."""

from pathlib import Path

import pytest
import yaml

from spanwatch.generate.stack import PORTS, TEXTS, Options, collector, plan, replaced

CONFIG = Path(__file__).resolve().parents[2] / "collector-config"
SHIPPED = {name: (CONFIG / name).read_text(encoding="utf-8") for name in TEXTS}
NUMBERS = {name: 20_000 + number for number, name in enumerate(PORTS)}
KEY = "7" * 64


def planned(**options):
    return plan(SHIPPED, "/somewhere/stack", NUMBERS, KEY, Options(**options))


def test_every_program_listens_on_loopback_and_on_a_port_of_its_own():
    found = planned()
    assert [service.name for service in found.services] == ["jaeger", "loki", "alertmanager", "prometheus", "otelcol"]
    told = [value for service in found.services for value in service.environ.values()]
    told += [word for service in found.services for word in service.arguments]
    for name, number in NUMBERS.items():
        assert any(str(number) in text for text in told), name
    assert not any("0.0.0.0" in text for text in told)
    assert {service.ready.split(":")[1] for service in found.services} == {"//127.0.0.1"}


def test_prometheus_asks_the_collector_and_tells_alertmanager_of_this_run():
    text = yaml.safe_load(planned(rules=("/mine",)).files["prometheus.yml"])
    targets = {job["job_name"]: job["static_configs"][0]["targets"] for job in text["scrape_configs"]}
    assert targets["otelcol"] == [f"127.0.0.1:{NUMBERS['otelcol_metrics']}"]
    managers = text["alerting"]["alertmanagers"][0]["static_configs"][0]["targets"]
    assert managers == [f"127.0.0.1:{NUMBERS['alertmanager']}"]
    assert text["rule_files"] == ["/somewhere/stack/rules/*.yaml", "/mine/*.yaml"]


def test_alertmanager_reads_its_secrets_from_this_run_s_directory():
    text = planned().files["alertmanager.yml"]
    assert "url_file: /somewhere/stack/secrets/alert_chat_url" in text
    assert "url_file: /run/secrets" not in text


def test_quick_evaluates_and_sends_within_seconds():
    files = planned(quick=True).files
    assert yaml.safe_load(files["prometheus.yml"])["global"] == {"scrape_interval": "1s", "evaluation_interval": "1s"}
    route = yaml.safe_load(files["alertmanager.yml"])["route"]
    assert (route["group_wait"], route["group_interval"]) == ("1s", "1s")


@pytest.mark.parametrize(
    ("options", "layers"),
    [
        ({}, ["gateway.yaml", "overlay-dev.yaml"]),
        ({"sampling": True}, ["gateway.yaml"]),
        ({"sampling": True, "content": True}, ["gateway.yaml", "overlay-content.yaml"]),
    ],
)
def test_the_collector_s_layers_follow_the_options(options, layers):
    arguments = planned(**options).services[-1].arguments
    assert [Path(word).name for word in arguments if word != "--config"] == layers


def test_keep_puts_traces_on_disk():
    jaeger = planned(keep=True).services[0]
    assert jaeger.arguments[-1] == "/somewhere/stack/jaeger-badger.yaml"
    assert jaeger.environ["JAEGER_DATA"] == "/somewhere/stack/jaeger"


def test_the_key_of_the_hashes_is_in_no_file_and_no_argument():
    found = planned()
    assert not any(KEY in text for text in found.files.values())
    assert not any(KEY in word for service in found.services for word in service.arguments)
    assert collector("/x", NUMBERS, KEY, ()).environ["REDACTION_HMAC_KEY"] == KEY


def test_a_text_without_what_is_to_be_replaced_is_refused_by_name():
    with pytest.raises(ValueError, match=r"prometheus.yml has no 'alertmanager:9093'"):
        replaced("prometheus.yml", "global: {}", (("alertmanager:9093", "x"),))
