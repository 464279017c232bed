"""Nobody gets to this machine or its network through a notifier, whatever form the address has."""

import socket
import ssl
import threading

import pytest

from spanwatch.core.errors import ConfigurationError
from spanwatch.notify import DeliveryError, Slack, Webhook
from spanwatch.notify.addresses import addresses, target_of
from spanwatch.notify.posting import post_json
from tests.notify.rig import Server, certificate, notification

FORMS = [
    "https://127.0.0.1:{port}/", "https://localhost:{port}/", "https://LOCALHOST.:{port}/", "https://2130706433:{port}/",
    "https://0x7f000001:{port}/", "https://0x7f.0.0.1:{port}/", "https://0177.0.0.1:{port}/", "https://127.1:{port}/",
    "https://017700000001:{port}/", "https://0:{port}/", "https://0.0.0.0:{port}/", "https://[::1]:{port}/",
    "https://[::]:{port}/", "https://[::ffff:127.0.0.1]:{port}/", "https://[::ffff:7f00:1]:{port}/",
    "https://[::127.0.0.1]:{port}/", "https://[64:ff9b::7f00:1]:{port}/", "https://[2002:7f00:1::]:{port}/",
    "https://[fe80::1%25lo]:{port}/", "https://[fc00::1]/", "https://169.254.169.254/latest/meta-data", "https://10.0.0.1/",
    "https://172.16.0.1/", "https://192.168.0.1/", "https://100.64.0.1/", "https://224.0.0.1/", "https://255.255.255.255/",
    "http://127.0.0.1:{port}/", "http://example.com/", "https://user:pass@127.0.0.1:{port}/",
    "https://example.com@127.0.0.1:{port}/", "https://127.0.0.1:{port}\\@example.com/", "https://127。0。0。1:{port}/",
    "https://ⓛocalhost:{port}/", "file:///etc/passwd", "gopher://127.0.0.1:{port}/_x", "ftp://127.0.0.1/",
    "https://example.com\r\nHost: x/", "https:///nothing", "https://127.0.0.1:99999/", "javascript:alert(1)",
    "//127.0.0.1:{port}/", "https://127.0.0.1:{port}/#x", "https://a b/", "HTTPS://127.0.0.1:{port}/",
]  # fmt: skip


@pytest.fixture
def canary():
    """A listener that must see no connection."""
    seen = []
    listener = socket.create_server(("127.0.0.1", 0))
    listener.settimeout(0.1)
    stop = threading.Event()

    def accept():
        while not stop.is_set():
            try:
                connection, _ = listener.accept()
            except TimeoutError:
                continue
            seen.append(connection)
            connection.close()

    thread = threading.Thread(target=accept, daemon=True)
    thread.start()
    yield listener.getsockname()[1], seen
    stop.set()
    thread.join(10)
    listener.close()


@pytest.mark.parametrize("form", FORMS)
def test_no_form_of_an_inner_address_is_connected_to(canary, monkeypatch, form):
    port, seen = canary
    for variable in ("HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(variable, f"http://127.0.0.1:{port}")
    with pytest.raises((DeliveryError, ConfigurationError)):
        post_json(form.format(port=port), {}, timeout_s=2)
    assert seen == []


def test_a_name_is_looked_up_once_and_that_address_is_connected_to(canary):
    port, seen = canary
    asked = []

    def rebinding(host, _port):
        asked.append(host)
        return ["93.184.216.34"] if len(asked) == 1 else ["127.0.0.1"]

    with pytest.raises(DeliveryError):
        post_json(f"https://rebind.example:{port}/", {}, resolve=rebinding, timeout_s=0.2)
    assert asked == ["rebind.example"]
    assert seen == []


def test_one_inner_address_among_public_ones_is_enough_to_refuse(canary):
    port, seen = canary
    with pytest.raises(DeliveryError, match="this machine or network"):
        post_json(f"https://both.example:{port}/", {}, resolve=lambda *_: ["93.184.216.34", "127.0.0.1"])
    assert seen == []


def test_a_redirect_is_a_failure_and_not_followed(canary):
    port, seen = canary
    server = Server()
    server.answer, server.headers = 302, {"Location": f"http://127.0.0.1:{port}/"}
    with pytest.raises(DeliveryError, match="answered 302"):
        post_json(f"http://127.0.0.1:{server.port}/", {}, internal=["127.0.0.1"])
    server.close()
    assert seen == []


def test_tls_is_verified_for_the_name_in_the_url(tmp_path):
    server_context, trusting = certificate(tmp_path, "hooks.example")
    server = Server(server_context)
    there = lambda *_: ["127.0.0.1"]  # noqa: E731
    url, internal = f"https://hooks.example:{server.port}/x", ["hooks.example"]
    post_json(url, {"a": 1}, internal=internal, context=trusting, resolve=there)
    assert server.requests[0][1]["Host"] == f"hooks.example:{server.port}"
    with pytest.raises(DeliveryError, match="SSLCertVerificationError"):
        post_json(url, {}, internal=internal, context=ssl.create_default_context(), resolve=there)
    with pytest.raises(DeliveryError, match="SSLCertVerificationError"):
        post_json(url.replace("hooks", "other"), {}, internal=["other.example"], context=trusting, resolve=there)
    server.close()


def test_an_endless_answer_ends_and_a_silent_server_is_given_up():
    server = Server()
    server.body = b"x" * 10_000_000
    assert len(post_json(f"http://127.0.0.1:{server.port}/", {}, internal=["127.0.0.1"])) <= 65_536
    server.close()
    with socket.create_server(("127.0.0.1", 0)) as silent, pytest.raises(DeliveryError, match="could not be reached"):
        post_json(f"http://127.0.0.1:{silent.getsockname()[1]}/", {}, internal=["127.0.0.1"], timeout_s=0.3)


def test_an_error_and_a_notifier_show_no_secret(monkeypatch):
    monkeypatch.setenv("SLACK_URL", "https://127.0.0.1/services/T0/B0/s3cr3t")
    notifiers = [Slack("env:SLACK_URL"), Webhook("https://127.0.0.1/s3cr3t", secret="s3cr3t-key-s3cr3t-key")]
    for notifier in notifiers:
        assert "s3cr3t" not in repr(notifier)
        with pytest.raises(DeliveryError) as failed:
            notifier(notification())
        assert "s3cr3t" not in str(failed.value)


def test_what_is_allowed_by_name_is_reached_and_nothing_else():
    assert target_of("http://alerts.internal/x", ["alerts.internal"]).authority == "alerts.internal"
    assert target_of("https://[2606:4700::1]:8443/a?b=c").authority == "[2606:4700::1]:8443"
    assert "127.0.0.1" in addresses("localhost", 80) or "::1" in addresses("localhost", 80)
    with pytest.raises(ConfigurationError, match="https only"):
        target_of("http://other.internal/x", ["alerts.internal"])
