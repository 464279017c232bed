"""A collector in a process of its own: keeps the ids of what arrives, and misbehaves on demand.

`python sink.py`: prints the ports of the data and control listeners. `GET /seen` on the control port has the number of
copies by signal and id; `POST /mode` sets how requests are answered, by a JSON object:

    {"kind": "ok"}                          200 and stored
    {"kind": "down"}                        listener and connections closed
    {"kind": "status", "status": 503, "headers": {"Retry-After": "1"}, "body": "...", "share": 0.3}
    {"kind": "hang" | "blackhole" | "reset" | "stored_reset" | "partial" | "junk" | "cut" | "big" | "bomb" | "endless"}
    {"kind": "drip" | "slow" | "closes" | "slams" | "no_http"}
"""

from __future__ import annotations

import contextlib
import gzip
import json
import random
import signal
import socket
import struct
import sys
import threading
import time
import zlib
from collections import Counter
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)

PROTOBUF = "application/x-protobuf"


class Sink:
    def __init__(self):
        self.seen = {"traces": Counter(), "logs": Counter(), "metrics": Counter()}
        self.texts, self.room, self.requests, self.mode = [], 32 << 20, Counter(), {"kind": "ok"}
        self.lock, self.open, self.chance = threading.Lock(), set(), random.Random(6)
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=256)
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.accept, args=(self.listener,), daemon=True).start()

    def set(self, mode):
        was, self.mode = self.mode["kind"], mode
        if mode["kind"] == "down" and self.listener is not None:
            self.listener.shutdown(socket.SHUT_RDWR)
            self.listener.close()
            self.listener = None
        if mode["kind"] != was:
            for client in list(self.open):
                with contextlib.suppress(OSError):
                    client.shutdown(socket.SHUT_RDWR)
        if mode["kind"] != "down" and self.listener is None:
            self.listener = socket.create_server(("127.0.0.1", self.port), backlog=256)
            threading.Thread(target=self.accept, args=(self.listener,), daemon=True).start()

    def accept(self, listener):
        with contextlib.suppress(OSError):
            while True:
                client, _ = listener.accept()
                threading.Thread(target=self.talk, args=(client,), daemon=True).start()

    def talk(self, client):
        self.open.add(client)
        try:
            with contextlib.suppress(OSError, ValueError), client:
                while (found := self.request(client)) is not None and self.answer(client, *found):
                    pass
        finally:
            self.open.discard(client)

    def request(self, client):
        if self.mode["kind"] == "blackhole":
            while self.mode["kind"] == "blackhole":
                time.sleep(0.05)
            return None
        if self.mode["kind"] == "slams":
            self.requests["traces"] += 1
            return None
        data = b""
        while b"\r\n\r\n" not in data:
            piece = client.recv(65_536)
            if not piece:
                return None
            data += piece
        head, _, body = data.partition(b"\r\n\r\n")
        lines = head.decode("latin-1").split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines[1:])}
        parts = [body]
        size = len(body)
        while size < int(headers.get("content-length", "0")):
            parts.append(client.recv(1 << 20))
            size += len(parts[-1])
            if not parts[-1]:
                return None
        return lines[0].split()[1], headers, b"".join(parts)

    def answer(self, client, path, headers, body):
        """Answer one request; whether the connection goes on."""
        mode, name = self.mode, path.rsplit("/", 1)[-1]
        self.requests[name] += 1
        kind = mode["kind"]
        if self.chance.random() >= mode.get("share", 1):
            kind = "ok"
        if kind == "hang":
            while self.mode["kind"] == "hang":
                time.sleep(0.05)
            return False
        if kind == "reset":
            return self.reset(client)
        if kind == "no_http":
            client.sendall(b"SSH-2.0-none\r\n")
            return False
        if kind == "slow":
            time.sleep(3)
        if kind == "status":
            extra = "".join(f"{key}: {value}\r\n" for key, value in mode.get("headers", {}).items())
            text = mode.get("body", "").encode()
            head = f"HTTP/1.1 {mode['status']} X\r\n{extra}Content-Length: {len(text)}\r\n\r\n"
            client.sendall(head.encode() + text)
            return True
        stored = self.ids(name, headers, body)
        rejected = sorted(stored)[: len(stored) // 2] if kind == "partial" else []
        with self.lock:
            self.seen[name].update(
                stored if not rejected else {key: stored[key] for key in stored if key not in rejected}
            )
        if kind == "stored_reset":
            return self.reset(client)
        self.reply(client, kind, len(rejected))
        return kind not in {"cut", "endless", "drip", "closes"}

    def reset(self, client):
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        return False

    def reply(self, client, kind, rejected):
        answer, extra = b"", f"Content-Type: {PROTOBUF}\r\n"
        if kind == "partial":
            message = ExportTraceServiceResponse()
            message.partial_success.rejected_spans = rejected
            message.partial_success.error_message = "too many"
            answer = message.SerializeToString()
        elif kind == "junk":
            answer, extra = b"\xff" * 99, "Content-Type: text/plain\r\n"
        elif kind == "cut":
            client.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\nab")
            return
        elif kind == "drip":
            client.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n")
            while self.mode["kind"] == "drip":
                client.sendall(b"x")
                time.sleep(1)
            return
        elif kind == "big":
            answer = bytes(64 << 20)
        elif kind == "bomb":
            answer, extra = bomb(), extra + "Content-Encoding: gzip\r\n"
        elif kind == "endless":
            client.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
            while self.mode["kind"] == "endless":
                client.sendall(b"10000\r\n" + bytes(0x10000) + b"\r\n")
            return
        client.sendall(f"HTTP/1.1 200 OK\r\n{extra}Content-Length: {len(answer)}\r\n\r\n".encode() + answer)

    def ids(self, name, headers, body):
        """The ids in a request, with their number."""
        coding = headers.get("content-encoding")
        data = gzip.decompress(body) if coding == "gzip" else zlib.decompress(body) if coding == "deflate" else body
        if name == "metrics":
            ExportMetricsServiceRequest.FromString(data)
            return Counter({str(zlib.crc32(data)): 1})
        if name == "traces":
            message = ExportTraceServiceRequest.FromString(data)
            found = [span for group in message.resource_spans for scope in group.scope_spans for span in scope.spans]
        else:
            message = ExportLogsServiceRequest.FromString(data)
            found = [log for group in message.resource_logs for scope in group.scope_logs for log in scope.log_records]
        if self.room > 0:
            self.texts.append(str(message))
            self.room -= len(self.texts[-1])
        return Counter(
            str(item.value.int_value) for each in found for item in each.attributes if item.key == "faults.id"
        )


@cache
def bomb():
    """512 MB, packed."""
    machine = zlib.compressobj(9, zlib.DEFLATED, zlib.MAX_WBITS | 16)
    return b"".join([*(machine.compress(bytes(1 << 20)) for _ in range(512)), machine.flush()])


def control(sink):
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            with sink.lock:
                if self.path == "/texts":
                    told = {"texts": sink.texts}
                else:
                    told = {"seen": sink.seen, "requests": sink.requests}
                self.reply(json.dumps(told).encode())

        def do_POST(self):
            sink.set(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.reply(b"{}")

        def reply(self, body):
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args):
            pass

    return ThreadingHTTPServer(("127.0.0.1", 0), Handler)


def main():
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    sink = Sink()
    server = control(sink)
    sys.stdout.write(f"{sink.port} {server.server_port}\n")
    sys.stdout.flush()
    server.serve_forever(poll_interval=0.05)


if __name__ == "__main__":
    main()
