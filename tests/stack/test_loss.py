"""What arrives when the collector is killed under load, and when Jaeger is away: counted by span id at the back end.

The senders here keep a batch until the collector has acknowledged it: what is proven is the gateway's part. That of the
program is in test_journal.py.
"""

import json
import threading
import time
import urllib.error
import urllib.request

import pytest
from stack_rig import Collector, Sending, eventually

LAYERS = ("gateway.yaml", "overlay-dev.yaml")
BATCH = 20
AWAY_S = 60


class Sender(threading.Thread):
    """Sends batches of spans at a rate; each is sent again until it is acknowledged, as a durable sender does."""

    def __init__(self, endpoint, service, batches, pause_s):
        super().__init__(daemon=True)
        self.endpoint, self.service, self.batches, self.pause_s = endpoint, service, batches, pause_s
        self.acknowledged, self.retries, self.began = set(), 0, time.time_ns()

    def run(self):
        for number in range(self.batches):
            trace = f"{self.began + number:032x}"
            ids = [f"{(self.began + number * BATCH * 7 + i) & (2**64 - 1):016x}" for i in range(BATCH)]
            while not self._send(trace, ids):
                self.retries += 1
                time.sleep(0.1)
            self.acknowledged.update(ids)
            time.sleep(self.pause_s)

    def _send(self, trace, ids):
        now = time.time_ns()
        spans = [
            {
                "traceId": trace,
                "spanId": span_id,
                "name": "load",
                "kind": 1,
                "startTimeUnixNano": str(now - 1000),
                "endTimeUnixNano": str(now),
                "attributes": [{"key": "text", "value": {"stringValue": "x" * 400}}],
            }
            for span_id in ids
        ]
        resource = {"attributes": [{"key": "service.name", "value": {"stringValue": self.service}}]}
        body = json.dumps({"resourceSpans": [{"resource": resource, "scopeSpans": [{"scope": {}, "spans": spans}]}]})
        request = urllib.request.Request(
            f"{self.endpoint}/v1/traces", body.encode(), {"Content-Type": "application/json"}
        )
        try:
            with urllib.request.urlopen(request, timeout=5) as answer:
                return answer.status == 200
        except (OSError, urllib.error.URLError):
            return False


@pytest.fixture
def gateway(stack, tmp_path):
    with Collector(tmp_path / "gateway", stack.bin / "otelcol", stack.ports, LAYERS) as collector:
        yield collector


def arrived(stack, service, ids):
    return eventually(
        lambda: (found := set(stack.jaeger.span_ids(service))) >= ids and found,
        f"all {len(ids)} spans of {service} in Jaeger",
        90,
    )


def test_a_collector_killed_under_load_loses_nothing_that_it_acknowledged(stack, gateway):
    sender = Sender(gateway.endpoint, "killed", batches=100, pause_s=0.02)
    sender.start()
    for _ in range(3):
        time.sleep(0.7)
        gateway.kill()
        gateway.start()
    sender.join(60)
    assert not sender.is_alive()
    assert sender.retries > 0
    assert len(sender.acknowledged) == 100 * BATCH
    assert arrived(stack, "killed", sender.acknowledged) == sender.acknowledged


def test_jaeger_away_for_a_minute_costs_nothing(stack, gateway, tmp_path):
    answer = stack.verb("down", "jaeger")
    assert answer.returncode == 0, answer.stderr
    try:
        sender = Sender(gateway.endpoint, "jaeger-away", batches=AWAY_S, pause_s=1.0)
        sender.start()
        program = Sending("spanwatch", gateway.endpoint, "program", tmp_path / "home", count=AWAY_S * BATCH, rate=BATCH)
        sender.join(AWAY_S + 60)
        told = program.told()
        assert len(sender.acknowledged) == AWAY_S * BATCH
        queued = [v for k, v in gateway.metrics().items() if "exporter_queue_size" in k and "jaeger" in k]
        assert sum(queued) > 0
    finally:
        answer = stack.verb("up", "jaeger")
        assert answer.returncode == 0, answer.stderr
    assert arrived(stack, "jaeger-away", sender.acknowledged) == sender.acknowledged
    assert told["flushed"] is True
    assert arrived(stack, "program", set(told["ids"])) == set(told["ids"])


def test_a_collector_killed_while_jaeger_is_away_keeps_its_queue(stack, gateway):
    answer = stack.verb("down", "jaeger")
    assert answer.returncode == 0, answer.stderr
    try:
        sender = Sender(gateway.endpoint, "both-away", batches=40, pause_s=0.01)
        sender.start()
        sender.join(60)
        gateway.kill()
    finally:
        answer = stack.verb("up", "jaeger")
        assert answer.returncode == 0, answer.stderr
    gateway.start()
    assert arrived(stack, "both-away", sender.acknowledged) == sender.acknowledged
