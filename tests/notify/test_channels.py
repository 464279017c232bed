"""Each channel against a server that speaks its protocol, with alerts whose text means harm."""

import hashlib
import hmac
import json
import logging
import re
from pathlib import Path

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.handlers import Message
from aiosmtpd.smtp import AuthResult

from spanwatch.core.errors import ConfigurationError
from spanwatch.core.rules import State
from spanwatch.notify import Alertmanager, Console, DeliveryError, Email, Log, PagerDuty, Secret, Slack, Webhook, to
from spanwatch.notify.routing import routes_of
from spanwatch.notify.tables import TYPES, from_table
from tests.notify.rig import HOSTILE, Server, alert, certificate, notification

ROOT = Path(__file__).resolve().parents[2]
HERE = ["127.0.0.1"]


@pytest.fixture
def server():
    made = Server()
    yield made
    made.close()


@pytest.fixture
def url(server):
    return f"http://127.0.0.1:{server.port}/hook"


def test_a_webhook_has_alertmanagers_json_and_a_signature(server, url):
    hook = Webhook(
        url, secret="key" * 12, headers={"Authorization": "Bearer x"}, internal=HERE, clock=lambda: 1_700_000_000
    )
    hook(notification(alert(), alert("Other", State.RESOLVED)))
    path, headers, body = server.requests[0]
    found = json.loads(body)
    assert path == "/hook"
    assert headers["Authorization"] == "Bearer x"
    expected = hmac.new(b"key" * 12, b"1700000000." + body, hashlib.sha256).hexdigest()
    assert headers["X-Spanwatch-Signature"] == f"t=1700000000,v1={expected}"
    assert (found["version"], found["status"], found["groupKey"], found["truncatedAlerts"]) == (
        "4",
        "firing",
        "k" * 16,
        0,
    )
    assert found["commonLabels"] == {"job": "bot", "severity": "critical"}
    first, second = found["alerts"]
    assert set(first) == {"status", "labels", "annotations", "startsAt", "endsAt", "generatorURL", "fingerprint"}
    assert (first["endsAt"], second["status"]) == ("0001-01-01T00:00:00Z", "resolved")
    assert first["annotations"]["trace_ids"] == "a" * 32


def test_slack_gets_blocks_in_which_nothing_pings_and_nothing_links(server, url):
    bad = alert(
        HOSTILE, summary=HOSTILE, description=HOSTILE, labels={"user": HOSTILE}, runbook_url="https://example.com/r"
    )
    Slack(url, internal=HERE)(notification(bad, alert("Good")))
    text = json.dumps(server.sent, ensure_ascii=False)
    links = re.findall(r"<[^>]*>", text)
    assert links == ["<https://example.com/r|runbook>"]
    assert "\x1b" not in text
    assert "\u202e" not in text
    assert server.sent["unfurl_links"] is False
    assert [block["type"] for block in server.sent["blocks"]] == ["header", "section", "section"]


def test_slack_messages_stay_within_its_limits(server, url):
    many = [alert(f"A{n}", summary="x" * 5_000, labels={"n": str(n)}) for n in range(60)]
    Slack(url, internal=HERE)(notification(*many, omitted=7))
    blocks = server.sent["blocks"]
    assert len(blocks) <= 50
    assert all(len(block["text"]["text"]) <= 3_000 for block in blocks if block["type"] == "section")
    assert blocks[-1]["elements"][0]["text"] == "and 47 more alerts"


def test_a_title_in_slack_stays_within_its_limit_whatever_has_to_be_escaped_in_it(server, url):
    Slack(url, internal=HERE)(notification(alert("&" * 100)))
    assert len(server.sent["blocks"][0]["text"]["text"]) == 150


def test_pagerduty_opens_and_resolves_one_incident_of_a_group(server, url, monkeypatch):
    monkeypatch.setenv("PD_KEY", "R0UT1NG")
    pager = PagerDuty("env:PD_KEY", url=url, internal=HERE)
    pager(notification(alert(summary="y" * 3_000, runbook_url="https://example.com/r")))
    opened = server.sent
    assert (opened["event_action"], opened["routing_key"]) == ("trigger", "R0UT1NG")
    assert set(opened["payload"]) >= {"summary", "source", "severity", "timestamp"}
    assert len(opened["payload"]["summary"]) == 1_024
    assert opened["payload"]["severity"] == "critical"
    assert opened["links"] == [{"href": "https://example.com/r", "text": "runbook"}]
    pager(notification(alert(state=State.RESOLVED), status="resolved"))
    assert (server.sent["event_action"], server.sent["dedup_key"]) == ("resolve", opened["dedup_key"])
    assert "R0UT1NG" not in repr(pager)


def test_alertmanager_gets_every_alert_with_an_end(server):
    route = to(Alertmanager(f"http://127.0.0.1:{server.port}/", internal=HERE, clock=lambda: 1_700_000_100 * 10**9))
    assert (route.receiver.whole, route.receiver.group_by, route.receiver.repeat_ns) == (True, (), 60 * 10**9)
    route.notifier(notification(alert(), alert("Over", State.RESOLVED)))
    assert server.requests[0][0] == "/api/v2/alerts"
    first, over = server.sent
    assert (first["labels"]["alertname"], first["endsAt"]) == ("HighErrorRate", "2023-11-14T22:20:00.000+00:00")
    assert over["endsAt"] == "2023-11-14T22:14:20.000+00:00"


class Mails(Message):
    def __init__(self):
        super().__init__()
        self.found = []

    def handle_message(self, message):
        self.found.append(message)


@pytest.fixture
def mails():
    handler = Mails()
    controller = PortController(handler, hostname="127.0.0.1", port=0)
    controller.start()
    yield handler, controller.server.sockets[0].getsockname()[1]
    controller.stop()


class PortController(Controller):
    """aiosmtpd's controller on a free port: it asks the port that it was given whether it is up."""

    def _trigger_server(self):
        self.port = self.server.sockets[0].getsockname()[1]
        super()._trigger_server()


def test_a_mail_arrives_with_no_header_that_an_alert_adds(mails):
    handler, port = mails
    mail = Email("127.0.0.1", "ops@example.com", "Bot <bot@example.com>", port=port, tls="none")
    mail(notification(alert(HOSTILE, summary=HOSTILE), alert("Other")))
    (found,) = handler.found
    assert found["Bcc"] is None
    assert found["To"] == "ops@example.com"
    body = found.get_payload(decode=True).decode()
    assert "\x1b" not in body
    assert not re.search(r"^Bcc:", body, re.MULTILINE)
    assert "traces: " + "a" * 32 in body


def test_a_mail_goes_by_starttls_with_a_password(tmp_path, monkeypatch):
    server_context, trusting = certificate(tmp_path, "127.0.0.1")
    handler, seen = Mails(), []

    def authenticate(server, session, envelope, mechanism, data):
        seen.append((data.login, data.password))
        return AuthResult(success=data.password == b"s3cr3t")

    controller = PortController(
        handler,
        hostname="127.0.0.1",
        port=0,
        tls_context=server_context,
        require_starttls=True,
        authenticator=authenticate,
        auth_required=True,
    )
    controller.start()
    try:
        port = controller.server.sockets[0].getsockname()[1]
        monkeypatch.setenv("SMTP_PASSWORD", "s3cr3t")
        given = {"port": port, "user": "bot", "context": trusting}
        Email("127.0.0.1", "ops@example.com", "bot@example.com", password="env:SMTP_PASSWORD", **given)(notification())
        assert len(handler.found) == 1
        assert seen == [(b"bot", b"s3cr3t")]
        with pytest.raises(DeliveryError, match="did not take the mail") as failed:
            Email("127.0.0.1", "ops@example.com", "bot@example.com", password="wrong-one", **given)(notification())
        assert "wrong-one" not in str(failed.value)
    finally:
        controller.stop()


def test_a_server_without_tls_gets_no_mail(mails):
    handler, port = mails
    with pytest.raises(DeliveryError, match="SMTPNotSupportedError"):
        Email("127.0.0.1", "ops@example.com", "bot@example.com", port=port)(notification())
    assert handler.found == []


def test_the_log_has_a_line_for_each_alert(caplog):
    with caplog.at_level(logging.INFO, logger="spanwatch.alerts"):
        Log()(notification(alert(HOSTILE), alert("Over", State.RESOLVED), omitted=3))
    assert [record.levelname for record in caplog.records] == ["ERROR", "INFO", "WARNING"]
    assert all(record.getMessage().isprintable() for record in caplog.records)


def test_the_console_has_a_line_for_each_alert(capsys):
    Console()(notification(alert(HOSTILE), alert("Two")))
    assert len(capsys.readouterr().err.splitlines()) == 2


def test_what_the_server_refuses_is_an_error_that_names_it(server, url):
    for status in (301, 400, 403, 429, 500):
        server.answer = status
        with pytest.raises(DeliveryError, match=f"127.0.0.1 answered {status}"):
            Slack(url, internal=HERE)(notification())


@pytest.mark.parametrize(
    ("table", "words"),
    [
        ({"type": "pigeon"}, "the types are"),
        ({"type": "slack", "url": "https://hooks.slack.com/x"}, "write 'env:NAME'"),
        ({"type": "slack", "url": "env:NO_SUCH_VARIABLE"}, "NO_SUCH_VARIABLE is not set"),
        ({"type": "pagerduty"}, "routing_key"),
        ({"type": "webhook", "url": "http://10.0.0.1/"}, "https only"),
        ({"type": "email", "host": "mail.example.com", "to": "x", "sender": "a@b.c"}, "no mail address"),
        ({"type": "email", "host": "mail.example.com", "to": "a@b.c", "sender": "a@b.c", "tls": "none"}, "needs TLS"),
        ({"type": "log", "severities": ["bad"]}, "severities are"),
        ({"type": "log", "repeat": "often"}, "repeat"),
    ],
)
def test_a_table_that_declares_no_notifier_is_refused_without_its_secret(table, words):
    with pytest.raises(ConfigurationError, match=re.escape(words)):
        from_table(table)


def test_tables_routes_and_callables_become_routes_with_names_of_their_own(monkeypatch, tmp_path):
    (tmp_path / "key").write_text("k3y\n")
    table = {
        "type": "pagerduty",
        "routing_key": f"file:{tmp_path / 'key'}",
        "severities": ["critical"],
        "name": "pager",
    }
    routes = routes_of([table, Log(), Log(), print], from_table)
    assert [route.receiver.name for route in routes] == ["pager", "log", "log-2", "print"]
    assert routes[0].receiver.severities == {"critical"}
    assert set(TYPES) == {"alertmanager", "console", "email", "log", "pagerduty", "slack", "webhook"}
    with pytest.raises(TypeError, match="callable"):
        routes_of([5], from_table)


def test_one_severity_and_one_label_may_be_named_alone():
    alone = from_table({"type": "log", "severities": "critical", "group_by": "job"})
    assert (alone.receiver.severities, alone.receiver.group_by) == ({"critical"}, ("job",))


@pytest.mark.parametrize("kind", TYPES)
def test_the_page_says_what_every_notifier_takes(kind):
    assert f"`notify.{TYPES[kind].__name__}(" in (ROOT / "docs" / "alerts.md").read_text(encoding="utf-8")


def test_a_secret_is_read_where_it_lies_and_never_shown(monkeypatch, tmp_path):
    path = tmp_path / "secret"
    path.write_text("one\n")
    secret = Secret(f"file:{path}")
    assert secret.reveal() == "one"
    path.write_text("two\n")
    assert secret.reveal() == "two"
    assert "two" not in f"{secret} {secret!r}"
    assert repr(Secret("plain")) == "Secret('***')"
    with pytest.raises(ConfigurationError, match="cannot be read"):
        Secret(f"file:{tmp_path / 'nothing'}")
    path.write_text(" \n")
    with pytest.raises(ConfigurationError, match="secret is empty"):
        Secret(f"file:{path}")
