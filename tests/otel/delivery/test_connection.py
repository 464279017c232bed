import contextlib
import gzip
import http.client
import socket
import ssl
import subprocess
import threading
import time
import zlib

import pytest

from spanwatch.core.exports import Export
from spanwatch.otel.delivery.connection import MAX_ANSWER, Connection, UnansweredError
from spanwatch.otel.delivery.endpoint import endpoint_of

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


class Server:
    """Accepts connections and runs `script(socket, number of the connection)` on each."""

    def __init__(self, script, context=None):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port, self.connections, self.requests = self.listener.getsockname()[1], 0, []
        self.script, self.context = script, context
        self.thread = threading.Thread(target=self.serve, daemon=True)
        self.thread.start()

    def serve(self):
        with contextlib.suppress(OSError):
            while True:
                client, _ = self.listener.accept()
                self.connections += 1
                threading.Thread(target=self.talk, args=(client, self.connections), daemon=True).start()

    def talk(self, client, number):
        with contextlib.suppress(OSError), client, self.secured(client) as secured:
            self.script(self, secured, number)

    def secured(self, client):
        if self.context is None:
            return contextlib.nullcontext(client)
        return self.context.wrap_socket(client, server_side=True)

    def request(self, client):
        """Read one request; its head and body, or None at the end."""
        data = b""
        while b"\r\n\r\n" not in data:
            piece = client.recv(65_536)
            if not piece:
                return None
            data += piece
        head, _, body = data.partition(b"\r\n\r\n")
        length = int(next(line.split(b":")[1] for line in head.lower().split(b"\r\n") if b"content-length" in line))
        while len(body) < length:
            body += client.recv(65_536)
        self.requests.append((head.decode(), body))
        return head, body

    def close(self):
        self.listener.close()


def answering(answer):
    def script(server, client, _number):
        while server.request(client) is not None:
            client.sendall(answer)

    return script


@pytest.fixture
def serve():
    made = []

    def serve(script, context=None):
        made.append(Server(script, context))
        return made[-1]

    yield serve
    for server in made:
        server.close()


@pytest.fixture(autouse=True)
def closing(monkeypatch):
    """Closes every connection that a test opens."""
    made, init = [], Connection.__init__

    def remembered(self, endpoint):
        made.append(self)
        init(self, endpoint)

    monkeypatch.setattr(Connection, "__init__", remembered)
    yield
    for connection in made:
        connection.close()


def to(server, scheme="http", **environ):
    url = f"{scheme}://localhost:{server.port}/v1/traces"
    environ = {f"OTEL_EXPORTER_OTLP_{name.upper()}": value for name, value in environ.items()}
    return Connection(endpoint_of(Export("traces", "http/protobuf", url, url), environ))


def test_requests_share_a_connection_and_are_compressed(serve):
    server = serve(answering(OK))
    connection = to(server)
    assert [connection.post(message).body for message in (b"one" * 99, b"two")] == [b"ok", b"ok"]
    assert server.connections == 1
    assert [gzip.decompress(body) for _, body in server.requests] == [b"one" * 99, b"two"]
    assert "POST /v1/traces HTTP/1.1" in server.requests[0][0]


def test_without_compression_the_message_goes_as_it_is(serve):
    server = serve(answering(OK))
    to(server, compression="none").post(b"plain")
    assert server.requests[0][1] == b"plain"


def test_a_connection_that_was_closed_meanwhile_is_opened_anew_before_anything_is_sent(serve):
    def once(server, client, _number):
        server.request(client)
        client.sendall(OK)

    server = serve(once)
    connection = to(server)
    connection.post(b"1")
    until = time.monotonic() + 5
    while connection._http is not None and connection._http.sock.recv(1, socket.MSG_PEEK) != b"":
        assert time.monotonic() < until
    connection.post(b"2")
    assert (server.connections, len(server.requests)) == (2, 2)


def test_a_refused_connection_is_an_os_error():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        url = f"http://127.0.0.1:{taken.getsockname()[1]}/v1/traces"
    with pytest.raises(OSError, match="refused"):
        Connection(endpoint_of(Export("traces", "http/protobuf", url, url), {})).post(b"x")


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\ncut",
        b"junk\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 4\r\n\r\njunk",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab",
        b"HTTP/1.1 200 OK\r\n" + b"X: 1\r\n" * 200 + b"\r\n",
    ],
)
def test_a_request_that_went_out_whole_and_has_no_answer_says_so(serve, answer):
    def script(server, client, _number):
        server.request(client)
        client.sendall(answer)

    with pytest.raises(UnansweredError):
        to(serve(script)).post(b"x")


def test_a_server_that_hangs_costs_the_timeout(serve):
    ended = threading.Event()
    connection = to(serve(lambda *_: ended.wait(20)), timeout="0.3")
    began = time.monotonic()
    with pytest.raises(UnansweredError):
        connection.post(b"x")
    assert time.monotonic() - began < 5
    ended.set()


def test_a_body_that_trickles_costs_no_more_than_the_timeout(serve):
    def script(server, client, _number):
        server.request(client)
        client.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n")
        while True:
            client.sendall(b"x")
            time.sleep(0.05)

    began = time.monotonic()
    with pytest.raises(UnansweredError):
        to(serve(script), timeout="0.5").post(b"x")
    assert time.monotonic() - began < 5


def endless(server, client, _number):
    server.request(client)
    client.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    while True:
        client.sendall(b"10000\r\n" + b"x" * 0x10000 + b"\r\n")


def test_no_more_than_4_mib_of_an_answer_is_read_and_nothing_of_it_is_kept(serve, monkeypatch):
    read, read1 = [], http.client.HTTPResponse.read1

    def counted(response, size):
        read.append(read1(response, size))
        return read[-1]

    monkeypatch.setattr(http.client.HTTPResponse, "read1", counted)
    answer = to(serve(endless)).post(b"x")
    assert (answer.body, answer.whole) == (b"", False)
    assert sum(map(len, read)) == MAX_ANSWER


def test_a_gzip_bomb_is_inflated_to_4_mib_at_most_and_nothing_of_it_is_kept(serve):
    bomb = gzip.compress(bytes(200 << 20), 9)
    head = f"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: {len(bomb)}\r\n\r\n"
    answer = to(serve(answering(head.encode() + bomb))).post(b"x")
    assert (answer.body, answer.whole) == (b"", False)


@pytest.mark.parametrize("size", [1, 65_535, 65_536, 65_537, 1 << 20, (4 << 20) - 1])
@pytest.mark.parametrize("pack", [gzip.compress, zlib.compress])
def test_a_compressed_answer_below_4_mib_is_whole_however_little_it_is_on_the_wire(serve, size, pack):
    packed = pack(b"a" * size)
    head = f"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: {len(packed)}\r\n\r\n"
    answer = to(serve(answering(head.encode() + packed))).post(b"x")
    assert (answer.body, answer.whole) == (b"a" * size, True)


def test_a_redirect_is_an_answer_like_any_other(serve):
    server = serve(answering(b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n"))
    answer = to(server).post(b"x")
    assert (answer.status, answer.location, len(server.requests)) == (302, "http://127.0.0.1:1/", 1)


def test_abort_breaks_off_what_is_under_way_and_connects_no_more(serve):
    here, ended = threading.Event(), threading.Event()

    def script(server, client, _number):
        server.request(client)
        here.set()
        ended.wait(20)

    connection, failed = to(serve(script)), []

    def post():
        try:
            connection.post(b"x")
        except UnansweredError as error:
            failed.append(error)

    thread = threading.Thread(target=post)
    thread.start()
    assert here.wait(10)
    connection.abort()
    thread.join(5)
    assert len(failed) == 1
    with pytest.raises(OSError, match="given up"):
        connection.post(b"x")
    ended.set()


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tls")
    command = (
        "openssl req -x509 -newkey rsa:2048 -nodes -keyout key.pem -out cert.pem -days 2 -subj /CN=localhost "
        "-addext subjectAltName=DNS:localhost"
    )
    done = subprocess.run(command.split(), cwd=folder, capture_output=True, check=False)
    if done.returncode:
        pytest.skip("no openssl that can make a certificate")
    return str(folder / "cert.pem"), str(folder / "key.pem")


def tls(certificate, *, mutual=False):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate)
    if mutual:
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(certificate[0])
    return context


def test_tls_with_a_certificate_of_ones_own_and_a_clients_certificate(serve, certificate):
    server = serve(answering(OK), tls(certificate, mutual=True))
    connection = to(
        server, "https", certificate=certificate[0], client_certificate=certificate[0], client_key=certificate[1]
    )
    assert connection.post(b"x").status == 200
    connection.close()


def test_a_certificate_that_nobody_vouches_for_is_refused_before_anything_is_sent(serve, certificate):
    server = serve(answering(OK), tls(certificate))
    with pytest.raises(ssl.SSLError):
        to(server, "https").post(b"x")
    assert server.requests == []


def test_https_to_a_plaintext_port_fails(serve):
    with pytest.raises(OSError, match=r"."):
        to(serve(answering(OK)), "https", timeout="2").post(b"x")


def test_a_proxy_gets_the_whole_address(serve, monkeypatch):
    server = serve(answering(OK))
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{server.port}")
    monkeypatch.delenv("no_proxy", raising=False)
    url = "http://collector.invalid:4318/v1/traces"
    assert Connection(endpoint_of(Export("traces", "http/protobuf", url, url), {})).post(b"x").status == 200
    assert server.requests[0][0].startswith("POST http://collector.invalid:4318/v1/traces HTTP/1.1")
