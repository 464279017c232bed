"""A small OTLP back end over HTTP and gRPC: takes what is sent, can refuse it, and answers as the real ones do."""

import gzip
import json
import threading
import time
from concurrent import futures
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

import grpc
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

REQUESTS = {
    "traces": ExportTraceServiceRequest,
    "metrics": ExportMetricsServiceRequest,
    "logs": ExportLogsServiceRequest,
}


class BackEnd:
    """What arrived, by signal, and the three back ends' query APIs on it.

    `token` is what the header authorization must be, `status` what every export is answered with instead of 200,
    `ahead_s` how far its clock is ahead, `paths` which exports it knows, `keeps` which signals it does not lose.
    """

    def __init__(self, *, token=None, status=200, ahead_s=0.0, paths=tuple(REQUESTS), keeps=tuple(REQUESTS)):
        self.arrived = {signal: [] for signal in REQUESTS}
        self.token, self.status, self.ahead_s, self.paths, self.keeps = token, status, ahead_s, paths, keeps
        self.lock = threading.Lock()

    def take(self, signal, body):
        request = REQUESTS[signal].FromString(body)
        with self.lock:
            self.arrived[signal].append(request)

    def resources(self, signal):
        """What came of one signal that is not empty, with its resource's attributes."""
        field = {"traces": "resource_spans", "metrics": "resource_metrics", "logs": "resource_logs"}[signal]
        with self.lock:
            groups = [group for request in self.arrived[signal] for group in getattr(request, field)]
        return [({p.key: p.value.string_value for p in group.resource.attributes}, group) for group in groups]

    def trace_ids(self, signal):
        found = set()
        for _, group in self.resources(signal):
            scopes = group.scope_spans if signal == "traces" else group.scope_logs
            records = [r for scope in scopes for r in (scope.spans if signal == "traces" else scope.log_records)]
            found |= {record.trace_id.hex() for record in records}
        return found

    def instances(self):
        return {resource["service.instance.id"] for resource, _ in self.resources("metrics")}

    def answer(self, path, query):
        """The JSON of a question, or None for 404."""
        if path.startswith("/api/traces/"):
            trace = path.rpartition("/")[2]
            here = "traces" in self.keeps and trace in self.trace_ids("traces")
            return {"data": [{"traceID": trace, "spans": [{"spanID": "1"}]}]} if here else None
        if path == "/api/v1/query":
            here = "metrics" in self.keeps and any(instance in query["query"][0] for instance in self.instances())
        else:
            here = "logs" in self.keeps and any(trace in query["query"][0] for trace in self.trace_ids("logs"))
        return {"status": "success", "data": {"result": [{}] if here else []}}


class Http:
    """The back end behind HTTP."""

    def __init__(self, back_end):
        self.back_end = back_end

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                if self.headers.get("Content-Encoding") == "gzip":
                    body = gzip.decompress(body)
                signal = self.path.rpartition("/")[2]
                status = back_end.status
                if self.path not in {f"/v1/{each}" for each in back_end.paths}:
                    status = 404
                elif back_end.token is not None and self.headers.get("authorization") != back_end.token:
                    status = 401
                elif status == 200:
                    back_end.take(signal, body)
                self.reply(status, b"")

            def do_GET(self):
                parts = urlsplit(self.path)
                found = back_end.answer(parts.path, parse_qs(parts.query))
                self.reply(404 if found is None else 200, json.dumps(found).encode())

            def reply(self, status, body):
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                if 300 <= status < 400:
                    self.send_header("Location", "http://elsewhere.example/v1/traces")
                self.end_headers()
                self.wfile.write(body)

            def date_time_string(self, timestamp=None):
                return formatdate(time.time() + back_end.ahead_s, usegmt=True)

            def log_message(self, *_):
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class Grpc:
    """The back end behind gRPC."""

    def __init__(self, back_end):
        self._server = grpc.server(futures.ThreadPoolExecutor(4))

        def method(signal):
            def export(body, context):
                if back_end.token is not None:
                    told = dict(context.invocation_metadata()).get("authorization")
                    if told != back_end.token:
                        context.abort(grpc.StatusCode.UNAUTHENTICATED, "no such token")
                back_end.take(signal, body)
                return b""

            return grpc.unary_unary_rpc_method_handler(export)

        for signal, name in (("traces", "trace.v1.Trace"), ("metrics", "metrics.v1.Metrics"), ("logs", "logs.v1.Logs")):
            if signal in back_end.paths:
                service = f"opentelemetry.proto.collector.{name}Service"
                handler = grpc.method_handlers_generic_handler(service, {"Export": method(signal)})
                self._server.add_generic_rpc_handlers((handler,))
        self.port = self._server.add_insecure_port("127.0.0.1:0")
        self.url = f"http://127.0.0.1:{self.port}"

    def __enter__(self):
        self._server.start()
        return self

    def __exit__(self, *_):
        self._server.stop(0).wait()
