"""`spanwatch doctor` against the real stack: the mark is found at each back end, also behind tail sampling."""

import json

import pytest
from stack_rig import Collector, command_line

from spanwatch.cli.stack_processes import free_ports


def doctor(stack, endpoint, *words):
    addresses = ("--jaeger", stack.jaeger.root, "--prometheus", stack.prometheus.root, "--loki", stack.loki.root)
    answer = command_line("doctor", "--endpoint", endpoint, *addresses, *words, "--json")
    assert answer.stderr == ""
    told = json.loads(answer.stdout)
    assert told["ok"] is (answer.returncode == 0)
    return {check["check"]: check for check in told["checks"]}, told["mark"]


@pytest.mark.parametrize("protocol", ["http/protobuf", "grpc"])
def test_the_mark_is_found_in_jaeger_prometheus_and_loki(stack, protocol):
    endpoint = stack.endpoint if protocol != "grpc" else f"http://127.0.0.1:{stack.ports['otlp_grpc']}"
    found, mark = doctor(stack, endpoint, "--protocol", protocol)
    for check, name in (("trace", "Jaeger"), ("metric", "Prometheus"), ("log", "Loki")):
        assert found[check]["level"] == "ok", found[check]
        assert found[check]["text"].startswith(f"found in {name} at ")
    assert found["protocol"]["text"] == f"{protocol}: traces, metrics, logs"
    assert found["clock"]["level"] == "ok"
    (span,) = stack.jaeger.spans(mark["trace_id"]).values()
    assert span["resource"]["service.instance.id"] == mark["instance"]


def test_the_running_stack_s_addresses_need_not_be_given(stack):
    answer = command_line("doctor", "--stack", "--home", str(stack.home), "--json")
    found = {check["check"]: check["text"] for check in json.loads(answer.stdout)["checks"]}
    assert [found[check].partition(" after ")[0] for check in ("trace", "metric", "log")] == [
        f"found in Jaeger at {stack.jaeger.root}",
        f"found in Prometheus at {stack.prometheus.root}",
        f"found in Loki at {stack.loki.root}",
    ]


def test_the_mark_passes_a_sampler_that_keeps_nothing_else(stack, tmp_path):
    layers = ("gateway.yaml",)
    quick = {"TAIL_DECISION_WAIT": "5s", "TAIL_DECISION_WAIT_AFTER_ROOT": "1s"}
    with Collector(tmp_path / "gateway", stack.bin / "otelcol", stack.ports, layers, quick) as gateway:
        for _ in range(3):  # by chance alone one in ten would be kept
            found, _ = doctor(stack, gateway.endpoint)
            assert found["trace"]["level"] == "ok", found["trace"]


def test_http_to_the_collector_s_grpc_port_and_a_port_that_nobody_has(stack):
    found, _ = doctor(stack, f"http://127.0.0.1:{stack.ports['otlp_grpc']}", "--no-send")
    assert (found["protocol"]["level"], "grpc" in found["protocol"]["fix"]) == ("fail", True)
    found, _ = doctor(stack, stack.endpoint, "--protocol", "grpc", "--no-send")
    assert (found["protocol"]["level"], "http/protobuf" in found["protocol"]["fix"]) == ("fail", True)
    nobody = free_ports(["one"])["one"]
    found, _ = doctor(stack, f"http://127.0.0.1:{nobody}", "--no-send")
    assert found["endpoint"]["level"] == "fail"
