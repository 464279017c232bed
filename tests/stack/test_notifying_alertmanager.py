"""Our notifier and the real Alertmanager: what fires in process is routed, silenced and resolved there."""

import json
import socket
import subprocess
import time
from datetime import datetime

import pytest
from stack_rig import Webhook, eventually, fetched

from spanwatch.core.rules import Rule
from spanwatch.notify import Alertmanager, DeliveryError
from spanwatch.otel.alerts import couriers
from tests.notify.rig import HOSTILE, alert, notification
from tests.otel.alerts.rig import Clock, Process

CONFIGURATION = """
route:
  receiver: chat
  group_by: [alertname]
  group_wait: 1s
  group_interval: 1s
  routes: [{receiver: pager, matchers: [severity="critical"]}]
receivers:
  - {name: chat, webhook_configs: [{url: "URL", send_resolved: true}]}
  - {name: pager, webhook_configs: [{url: "URL", send_resolved: true}]}
"""


class Server:
    """An Alertmanager of the test's own, which can be away for a while."""

    def __init__(self, program, directory, hook):
        self._directory = directory
        (directory / "alertmanager.yml").write_text(CONFIGURATION.replace("URL", hook.url), encoding="utf-8")
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.url = f"http://127.0.0.1:{free.getsockname()[1]}"
        self._words = [program, f"--config.file={directory / 'alertmanager.yml'}", "--cluster.listen-address="]
        self._words += [f"--storage.path={directory / 'data'}", f"--web.listen-address={self.url[7:]}"]
        self._process = None

    def start(self):
        with (self._directory / "log").open("a") as log:
            self._process = subprocess.Popen(self._words, stdout=log, stderr=log)
        eventually(lambda: fetched(f"{self.url}/api/v2/status"), "Alertmanager answers")

    def stop(self):
        if self._process is not None:
            self._process.terminate()
            self._process.wait(30)
            self._process = None

    def alerts(self, name):
        return [each for each in fetched(f"{self.url}/api/v2/alerts") if each["labels"]["alertname"] == name]

    def notifier(self):
        return Alertmanager(self.url, internal=["127.0.0.1"])


@pytest.fixture(scope="module")
def told():
    with Webhook() as webhook:
        yield webhook


@pytest.fixture(scope="module")
def alertmanager(binaries_here, tmp_path_factory, told):
    server = Server(binaries_here / "alertmanager", tmp_path_factory.mktemp("alertmanager"), told)
    server.start()
    yield server
    server.stop()


@pytest.fixture(autouse=True)
def over(monkeypatch):
    monkeypatch.setattr(couriers, "FIRST_RETRY_S", 0.2)
    yield
    Process.over()


def seconds(text):
    return datetime.fromisoformat(text).timestamp()


def test_what_fires_in_process_is_routed_by_a_real_alertmanager_and_ends_there(alertmanager, told):
    rule = Rule(
        "QueueIsFull",
        "level > 5",
        severity="critical",
        labels={"team": "bots"},
        summary="{{ $labels.of }} is at {{ $value }}",
        runbook_url="https://example.com/run?a=1&b=2",
        dashboard_url="https://example.com/d/1",
    )
    process = Process([rule], alertmanager.notifier(), clock=Clock(time.time_ns()), repeat="1m")
    process.set(9, of="mail")
    process.set(8, of="chat")
    process.set(1, of="idle")
    process.evaluate(0)

    known = eventually(lambda: alertmanager.alerts("QueueIsFull"), "Alertmanager knows the alerts")
    (mail,) = [each for each in known if each["labels"]["of"] == "mail"]
    assert len(known) == 2
    assert mail["labels"] == {"alertname": "QueueIsFull", "severity": "critical", "team": "bots", "of": "mail"}
    assert mail["annotations"] == {
        "summary": "mail is at 9",
        "runbook_url": "https://example.com/run?a=1&b=2",
        "dashboard_url": "https://example.com/d/1",
        "value": "9",
    }
    assert mail["generatorURL"] == "https://example.com/d/1"
    assert [each["name"] for each in mail["receivers"]] == ["pager"]
    assert abs(seconds(mail["startsAt"]) - process.clock() / 1e9) < 1
    assert 240 < seconds(mail["endsAt"]) - time.time() <= 301  # a process that dies is over by itself

    eventually(lambda: len(told.alerts("QueueIsFull", "firing")) >= 2, "the webhook behind it is told of both")

    process.set(1, of="mail")
    process.evaluate(1)
    ended = eventually(lambda: told.alerts("QueueIsFull", "resolved"), "the webhook is told what is over")
    assert {each["labels"]["of"] for each in ended} == {"mail"}
    eventually(
        lambda: [each["labels"]["of"] for each in alertmanager.alerts("QueueIsFull")] == ["chat"], "one still fires"
    )


def test_what_is_silenced_there_is_told_to_nobody(alertmanager, told):
    now = time.time()
    silence = {
        "matchers": [{"name": "alertname", "value": "KnownTrouble", "isRegex": False, "isEqual": True}],
        "startsAt": datetime.fromtimestamp(now - 1).astimezone().isoformat(),
        "endsAt": datetime.fromtimestamp(now + 600).astimezone().isoformat(),
        "createdBy": "test",
        "comment": "known",
    }
    json_headers = {"Content-Type": "application/json"}
    made = fetched(f"{alertmanager.url}/api/v2/silences", json.dumps(silence).encode(), json_headers)["silenceID"]
    process = Process(
        [Rule("KnownTrouble", "level > 5"), Rule("NewTrouble", "level > 5")],
        alertmanager.notifier(),
        clock=Clock(time.time_ns()),
    )
    process.set(9)
    process.evaluate(0)
    eventually(lambda: told.alerts("NewTrouble", "firing"), "the other one is told")
    (known,) = alertmanager.alerts("KnownTrouble")
    assert known["status"]["silencedBy"] == [made]
    assert told.alerts("KnownTrouble", "firing") == []


def test_an_alertmanager_that_is_away_hears_of_it_when_it_is_back(alertmanager):
    alertmanager.stop()
    with pytest.raises(DeliveryError):
        alertmanager.notifier()(notification(alert("Away")))
    process = Process([Rule("WhileAway", "level > 5")], alertmanager.notifier(), clock=Clock(time.time_ns()))
    process.set(9)
    process.evaluate(0)
    (courier,) = process.evaluator._couriers
    eventually(lambda: courier.failing >= 2, "it is tried again")
    assert process.evaluator.book.told("alertmanager") == {}
    alertmanager.start()
    eventually(lambda: alertmanager.alerts("WhileAway"), "Alertmanager hears of it")
    eventually(lambda: process.evaluator.book.told("alertmanager"), "it counts as told")


def test_text_that_would_break_out_stays_text(alertmanager):
    hostile = alert("Hostile", summary=HOSTILE, description=HOSTILE, labels={"of": HOSTILE})
    alertmanager.notifier()(notification(hostile))
    (found,) = eventually(lambda: alertmanager.alerts("Hostile"), "Alertmanager takes it")
    assert found["labels"]["of"] == HOSTILE
    assert found["annotations"]["summary"] == HOSTILE


def test_what_it_refuses_is_an_error_and_counts_as_not_told(alertmanager):
    with pytest.raises(DeliveryError, match="400"):
        alertmanager.notifier()(notification(alert("Refused", labels={"": "no name"})))
