"""The HTTP doors behind real servers: uvicorn for ASGI, wsgiref for WSGI, and Chromium's fetch in front."""

import contextlib
import http.client
import http.server
import json
import shutil
import socket
import subprocess
import threading
from wsgiref.simple_server import WSGIRequestHandler, make_server

import pytest
import uvicorn
from opentelemetry.trace import get_current_span

import spanwatch
from spanwatch.core import names
from spanwatch.testing import capture

ORIGIN = "https://app.example.com"
LIMIT = 4_096


class Server(uvicorn.Server):
    @contextlib.contextmanager
    def running(self):
        with socket.create_server(("127.0.0.1", 0)) as listening:
            thread = threading.Thread(target=self.run, kwargs={"sockets": [listening]})
            thread.start()
            try:
                yield listening.getsockname()[1]
            finally:
                self.should_exit = True
                thread.join(10)
                assert not thread.is_alive()


@contextlib.contextmanager
def asgi(**options):
    app = spanwatch.feedback_app(**options)
    config = uvicorn.Config(app, log_level="error", lifespan="on", ws="none")
    with Server(config).running() as port:
        yield port


class Quiet(WSGIRequestHandler):
    def log_message(self, *args):
        pass


@contextlib.contextmanager
def wsgi(**options):
    server = make_server("127.0.0.1", 0, spanwatch.feedback_wsgi(**options), handler_class=Quiet)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        thread.join(10)
        server.server_close()


def ask(port, body, method="POST", origin=None, **headers):
    """Status, headers and the JSON of the answer."""
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    given = {"Content-Type": "application/json", **({} if origin is None else {"Origin": origin}), **headers}
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request(method, "/feedback", data if method == "POST" else None, given)
        answer = connection.getresponse()
        text = answer.read()
        return answer.status, {k.lower(): v for k, v in answer.getheaders()}, json.loads(text) if text else None
    finally:
        connection.close()


@pytest.fixture(params=[asgi, wsgi])
def door(request):
    with capture() as captured, request.param(origins=[ORIGIN], rate="1000/1s", max_bytes=LIMIT) as port:
        yield port, captured


def token(**more):
    with spanwatch.request(user_id="alice"):
        return spanwatch.feedback_token(get_current_span(), **more)


def scores(captured):
    return [span["attributes"] for span in captured.spans if span["name"] == names.USER_FEEDBACK]


def test_a_token_and_a_rating_are_recorded_once(door):
    port, captured = door
    body = {"token": token(), "rating": 2, "comment": "لا يعمل 👎"}
    status, headers, said = ask(port, body)
    assert (status, said) == (201, {"status": "recorded"})
    assert headers["content-type"] == "application/json"
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["cache-control"] == "no-store"
    assert "access-control-allow-origin" not in headers
    assert ask(port, {**body, "rating": 5})[0::2] == (409, {"error": "already rated"})
    (scored,) = scores(captured)
    assert (scored[names.FEEDBACK_RATING], scored[names.USER_ID]) == (2.0, "alice")


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"token": "fb1_forged", "rating": 1}, 403),
        ({"token": "4bf92f3577b34da6a3ce929d0e0e4736", "rating": 1}, 403),
        ({"token": "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", "rating": 1}, 403),
        ({"token": "c-1", "rating": 1}, 403),
        ({"rating": 1}, 400),
        ({"token": 5, "rating": 1}, 400),
        ({"token": "TOKEN", "rating": 1, "user_id": "root"}, 400),
        ({"token": "TOKEN", "rating": 1, "idempotency_key": "x"}, 400),
        ({"token": "TOKEN", "rating": 1, "__proto__": {}}, 400),
        ({"token": "TOKEN", "rating": 1, ".".join("a" * 1000): 1}, 400),
        ({"token": "TOKEN"}, 422),
        ({"token": "TOKEN", "rating": 9}, 422),
        ({"token": "TOKEN", "rating": "5"}, 422),
        ({"token": "TOKEN", "rating": 1, "label": "up"}, 422),
        ({"token": "TOKEN", "label": "<script>alert(1)</script>"}, 422),
        ({"token": "TOKEN", "rating": 1, "comment": {"a": 1}}, 422),
        (b"", 400),
        (b"\xff\xfe", 400),
        (b"[" * 4_000, 400),
        (b'{"token": "TOKEN", "rating": NaN}', 400),
        (b'{"token": "TOKEN", "rating": 1' + b"0" * 3_000 + b"}", 422),
        (b'{"token": "TOKEN", "rating": 1' + b"0" * 400 + b".5}", 422),
        (b'"x"', 400),
    ],
    ids=str,
)
def test_what_is_wrong_is_refused_in_words_of_ours_and_records_nothing(door, body, status):
    port, captured = door
    made = token()
    if isinstance(body, bytes):
        body = body.replace(b"TOKEN", made.encode())
    elif body.get("token") == "TOKEN":
        body = {**body, "token": made}
    found, _, said = ask(port, body)
    assert found == status
    for text in ("script", "forged", "4bf92f", "root", "__proto__", "a.a", made):
        assert text not in json.dumps(said)
    assert scores(captured) == []


def test_an_expired_token_is_gone(door):
    port, captured = door
    assert ask(port, {"token": token(lasts=0.001), "rating": 1})[0] == 410
    assert scores(captured) == []


def test_two_hundred_forged_tokens_are_refused(door):
    port, captured = door
    made = token()
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    for place in range(4, len(made), 4):
        other = alphabet[(alphabet.index(made[place]) + 1) % 64]
        assert ask(port, {"token": made[:place] + other + made[place + 1 :], "rating": 1})[0] == 403
    assert scores(captured) == []
    assert ask(port, {"token": made, "rating": 1})[0] == 201


def test_a_large_body_is_refused_whatever_its_length_was_said_to_be(door):
    port, captured = door
    large = {"token": token(), "rating": 1, "comment": "x" * 1_000_000}
    try:
        status = ask(port, large)[0]
    except (BrokenPipeError, ConnectionResetError):
        status = 413  # the server hung up while it was still being told
    assert status == 413
    assert scores(captured) == []


def test_other_methods_and_types_are_refused(door):
    port, _ = door
    assert ask(port, {}, "GET")[0] == 405
    assert ask(port, {}, **{"Content-Type": "text/plain"})[0] == 415
    assert ask(port, {}, "DELETE")[1]["allow"] == "POST, OPTIONS"


def test_only_listed_origins_may(door):
    port, captured = door
    body = {"token": token(), "rating": 4}
    status, headers, _ = ask(port, body, origin="https://evil.example.com")
    assert (status, headers.get("access-control-allow-origin")) == (403, None)
    for origin in ("null", "https://app.example.com.evil.example", "http://app.example.com", ORIGIN.upper()):
        assert ask(port, body, origin=origin)[0] == 403
    assert scores(captured) == []
    status, headers, _ = ask(port, {}, "OPTIONS", origin=ORIGIN)
    assert (status, headers["access-control-allow-origin"], headers["vary"]) == (204, ORIGIN, "origin")
    assert headers["access-control-allow-headers"] == "content-type"
    assert ask(port, {}, "OPTIONS", origin="https://evil.example.com")[0] == 403
    assert ask(port, body, origin=ORIGIN)[0] == 201


def test_a_page_of_the_same_host_may(door):
    port, _ = door
    assert ask(port, {"token": token(), "rating": 4}, origin=f"http://127.0.0.1:{port}")[0] == 201


@pytest.mark.parametrize("server", [asgi, wsgi])
def test_a_flood_is_told_to_wait(server):
    with capture() as captured, server(rate="3/1h") as port:
        answers = [ask(port, {"token": token(), "rating": 1}) for _ in range(5)]
    assert [status for status, _, _ in answers] == [201, 201, 201, 429, 429]
    assert 1 <= int(answers[3][1]["retry-after"]) <= 1200
    assert len(scores(captured)) == 3


def test_clients_behind_a_proxy_are_told_apart_by_what_the_proxy_says():
    def client(scope):
        return dict(scope["headers"])[b"x-real-ip"].decode()

    with capture(), asgi(rate="1/1h", client=client) as port:
        found = [ask(port, {"token": token(), "rating": 1}, **{"X-Real-IP": who})[0] for who in ("a", "b", "a")]
    assert found == [201, 201, 429]


def test_a_chunked_body_without_length_is_counted_as_it_comes():
    with capture(), asgi(max_bytes=LIMIT) as port:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
        pieces = iter([b"x" * 1024] * 8)
        connection.request("POST", "/", pieces, {"Content-Type": "application/json"}, encode_chunked=True)
        assert connection.getresponse().status == 413
        connection.close()


def test_a_body_that_never_comes_is_given_up(monkeypatch):
    monkeypatch.setattr("spanwatch.otel.feedback.doors.BODY_S", 0.2)
    with capture(), asgi() as port, socket.create_connection(("127.0.0.1", port), timeout=10) as slow:
        head = "POST / HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 99\r\n\r\n{"
        slow.sendall(head.encode())
        assert slow.recv(100).startswith(b"HTTP/1.1 408")


@pytest.mark.parametrize(
    ("options", "kind", "text"),
    [
        ({"origins": "https://a.example"}, TypeError, "origins is a list"),
        ({"origins": ["a.example"]}, ValueError, "an origin is a scheme and a host"),
        ({"origins": ["https://a.example/"]}, ValueError, "an origin is a scheme and a host"),
        ({"rate": "often"}, ValueError, "rate is a number of requests and a time"),
        ({"rate": "0/1m"}, ValueError, "rate is a number of requests and a time"),
        ({"max_bytes": 1}, ValueError, "max_bytes is from 256"),
    ],
)
def test_a_door_that_cannot_be_is_refused_when_it_is_made(options, kind, text):
    for make in (spanwatch.feedback_app, spanwatch.feedback_wsgi):
        with pytest.raises(kind, match=text):
            make(**options)


PAGE = """<!doctype html><title>waiting</title><script>
fetch(%s, {method: "POST", headers: {"Content-Type": "application/json"}, body: JSON.stringify(%s)})
  .then(answer => answer.json().then(said => answer.status + " " + JSON.stringify(said)))
  .catch(error => "refused by the browser: " + error.name)
  .then(text => fetch("/done", {method: "POST", body: text}));
</script>"""


class Pages(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        page = self.server.page.encode() if self.path == "/" else b""
        self.send_response(200 if page else 404)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.end_headers()
        self.wfile.write(page)

    def do_POST(self):
        self.server.told.append(self.rfile.read(int(self.headers["Content-Length"])).decode())
        self.send_response(204)
        self.end_headers()
        self.server.done.set()

    def log_message(self, *args):
        pass


def browse(url, profile):
    browser = shutil.which("chromium") or shutil.which("chromium-browser")
    if browser is None:
        pytest.skip("no Chromium here: .ci/run installs it")
    flags = [
        "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-dev-shm-usage",
        "--disable-background-networking", "--disable-component-update", "--disable-sync",
        "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1", f"--user-data-dir={profile}",
    ]  # fmt: skip
    return subprocess.Popen(
        [browser, *flags, "--remote-debugging-port=0", url], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )


@pytest.mark.slow
@pytest.mark.parametrize(
    ("allowed", "told"), [(True, '201 {"status":"recorded"}'), (False, "refused by the browser: TypeError")]
)
def test_a_real_browser_may_rate_from_a_listed_page_and_from_no_other(tmp_path, allowed, told):
    pages = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Pages)
    pages.told, pages.done = [], threading.Event()
    thread = threading.Thread(target=pages.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    origin = f"http://127.0.0.1:{pages.server_port}"
    try:
        with capture() as captured, asgi(origins=[origin] if allowed else [ORIGIN]) as port:
            body = {"token": token(), "rating": 1, "comment": "🐌 بطيء"}
            pages.page = PAGE % (json.dumps(f"http://127.0.0.1:{port}/"), json.dumps(body))
            browser = browse(f"{origin}/", tmp_path / "profile")
            try:
                assert pages.done.wait(90), "the browser never came back"
            finally:
                browser.terminate()
                browser.wait(20)
        assert pages.told == [told]
        assert len(scores(captured)) == int(allowed)
    finally:
        pages.shutdown()
        thread.join(10)
        pages.server_close()


def test_many_at_once_are_each_recorded_once():
    with capture() as captured, asgi(rate="10000/1s") as port:
        tokens = [token() for _ in range(20)] * 2
        found = []
        threads = [
            threading.Thread(target=lambda each=each: found.append(ask(port, {"token": each, "rating": 3})[0]))
            for each in tokens
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(found) == [201] * 20 + [409] * 20
        assert len(scores(captured)) == 20
