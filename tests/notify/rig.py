"""Servers that notifiers speak to: HTTP with and without TLS, and what they were sent."""

import datetime as dt
import ipaddress
import json
import ssl
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from spanwatch.core.rules import Alert, Notification, State

SECOND_NS = 10**9
T0 = 1_700_000_000 * SECOND_NS
HOSTILE = "x\r\nBcc: eve@example.com <!channel> & `code` *b* \x1b[31m\u202e <http://evil|safe>"


def alert(name="HighErrorRate", state=State.FIRING, **more):
    labels = {"alertname": name, "severity": "critical", "job": "bot", **more.pop("labels", {})}
    ended = T0 + 60 * SECOND_NS if state is State.RESOLVED else None
    given = {"value": 0.25, "summary": "25% of requests failed.", "trace_ids": ("a" * 32,), **more}
    return Alert(tuple(sorted(labels.items())), state, T0, fired_ns=T0, ended_ns=ended, **given)


def notification(*alerts, status="firing", **more):
    found = alerts or (alert(runbook_url="https://example.com/run?a=1&b=2"),)
    return Notification("chat", "k" * 16, status, (("alertname", found[0].name),), found, service="bot", **more)


class Server:
    """Remembers requests; `answer` is what it says: a status, with headers and a body."""

    def __init__(self, context=None):
        self.requests, self.answer, self.headers, self.body = [], 200, {}, b"ok"
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                outer.requests.append((self.path, dict(self.headers), body))
                self.send_response(outer.answer)
                for key, value in outer.headers.items():
                    self.send_header(key, value)
                self.end_headers()
                self.wfile.write(outer.body)

            def log_message(self, *_):
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        if context is not None:
            self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        self.port = self._server.server_address[1]
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    @property
    def sent(self):
        """The last body as JSON."""
        return json.loads(self.requests[-1][2])

    def close(self):
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(10)


def certificate(directory, *hosts):
    """A certificate of these hosts: contexts of a server and of a client that trusts it."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test")])
    now = dt.datetime.now(dt.UTC)
    names = [x509.IPAddress(ipaddress.ip_address(h)) if h[0].isdigit() else x509.DNSName(h) for h in hosts]
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    path, key_path = directory / "cert.pem", directory / "key.pem"
    path.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    private = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    key_path.write_bytes(key.private_bytes(*private))
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(path, key_path)
    return server, ssl.create_default_context(cafile=str(path))
