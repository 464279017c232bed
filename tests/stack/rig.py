"""The real back ends, asked over their own APIs; and the programs that a test starts and ends by id."""

import contextlib
import importlib.util
import json
import os
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from spanwatch.cli import stack_processes as processes
from spanwatch.cli.stack import texts
from spanwatch.generate.stack import PORTS, collector

ROOT = Path(__file__).resolve().parents[2]
HMAC_KEY = "7" * 64
PATIENCE_S = 60.0


def tools():
    """tools/stack.py as a module."""
    spec = importlib.util.spec_from_file_location("tools_stack", ROOT / "tools" / "stack.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules["tools_stack"] = module
    spec.loader.exec_module(module)
    return module


def fetched(url, data=None, headers=None):
    """The body of an answer as JSON; None for 404."""
    request = urllib.request.Request(url, data=data, headers=headers or {})
    try:
        with urllib.request.urlopen(request, timeout=20) as response:
            return json.loads(response.read() or b"null")
    except urllib.error.HTTPError as error:
        with error:
            if error.code == 404:
                return None
            raise AssertionError(f"{url}: {error.code} {error.read()[:500]}") from None


def eventually(question, what, seconds=PATIENCE_S):
    """The first true answer of a question, asked again and again; fails with what was waited for."""
    deadline, answer = time.monotonic() + seconds, None
    while time.monotonic() < deadline:
        try:
            answer = question()
        except (OSError, AssertionError) as error:
            answer = error
        else:
            if answer:
                return answer
        time.sleep(0.2)
    raise AssertionError(f"not within {seconds:g} s: {what}; the last answer was {str(answer)[:2000]}")


def enough(question, count, what):
    """The first answer that holds `count` things or more."""
    return eventually(lambda: found if len(found := question()) >= count else None, what)


class Jaeger:
    def __init__(self, root):
        self.root = root

    def spans(self, trace_id):
        """The spans of a trace by the v3 API, by id: OTLP JSON, each with its resource and scope."""
        answer = fetched(f"{self.root}/api/v3/traces/{trace_id}")
        found = {}
        for resource in (answer or {}).get("result", {}).get("resourceSpans", []):
            for scope in resource.get("scopeSpans", []):
                for span in scope["spans"]:
                    found[span["spanId"]] = {
                        **span,
                        "resource": values(resource["resource"].get("attributes", [])),
                        "scope": scope.get("scope", {}).get("name", ""),
                    }
        return found

    def legacy(self, trace_id):
        """The spans of a trace by the API that Grafana uses, by id."""
        answer = fetched(f"{self.root}/api/traces/{trace_id}")
        return {span["spanID"]: span for trace in (answer or {}).get("data") or [] for span in trace["spans"]}

    def services(self):
        return set((fetched(f"{self.root}/api/v3/services") or {}).get("services") or [])

    def span_ids(self, service, limit=20_000):
        """The ids of all spans of a service, as often as they are there."""
        now = time.time_ns() // 1000
        hour = 3_600_000_000
        query = urllib.parse.urlencode({"service": service, "limit": limit, "start": now - hour, "end": now + hour})
        data = (fetched(f"{self.root}/api/traces?{query}") or {}).get("data") or []
        return [span["spanID"] for trace in data for span in trace["spans"]]


class Prometheus:
    def __init__(self, root):
        self.root = root

    def query(self, expression):
        """An instant query's samples: (labels, value)."""
        answer = self._ask("query", query=expression)
        return [(each["metric"], float(each["value"][1])) for each in answer["result"]]

    def total(self, expression):
        """The sum of all samples, or None where there is none."""
        found = self.query(expression)
        return sum(value for _, value in found) if found else None

    def exemplars(self, expression):
        now = time.time()
        answer = self._ask("query_exemplars", query=expression, start=now - 3600, end=now + 60)
        return [exemplar for series in answer for exemplar in series["exemplars"]]

    def alerts(self):
        return self._ask("alerts")["alerts"]

    def _ask(self, what, **query):
        answer = fetched(f"{self.root}/api/v1/{what}?{urllib.parse.urlencode(query)}")
        assert answer["status"] == "success", answer
        return answer["data"]


class Loki:
    def __init__(self, root):
        self.root = root

    def records(self, query):
        """(labels and structured metadata, line) of each record."""
        now = time.time_ns()
        more = {"query": query, "start": now - 3_600_000_000_000, "end": now + 60_000_000_000, "limit": 1000}
        answer = fetched(f"{self.root}/loki/api/v1/query_range?{urllib.parse.urlencode(more)}")
        return [(stream["stream"], entry[1]) for stream in answer["data"]["result"] for entry in stream["values"]]


class Webhook:
    """A webhook that keeps what Alertmanager sends it."""

    def __init__(self):
        self.told = told = []

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                told.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
                self.send_response(200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_):
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}/alerts"
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    def alerts(self, name, status):
        """What it was told of one alert in one status."""
        return [
            a for told in self.told for a in told["alerts"] if (a["labels"]["alertname"], a["status"]) == (name, status)
        ]

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def values(attributes):
    """OTLP key-values as a dict."""
    return {pair["key"]: plain(pair["value"]) for pair in attributes}


def plain(value):
    if "arrayValue" in value:
        return [plain(each) for each in value["arrayValue"].get("values", [])]
    if "intValue" in value:
        return int(value["intValue"])
    if "kvlistValue" in value:
        return values(value["kvlistValue"].get("values", []))
    return next(iter(value.values()), None)


def command_line(*words, bin_directory=None, timeout=240):
    """`spanwatch WORDS` as a child process."""
    environ = {k: v for k, v in os.environ.items() if not k.startswith(("OTEL_", "SPANWATCH_"))}
    if bin_directory is not None:
        environ["SPANWATCH_STACK_BIN"] = str(bin_directory)
    return subprocess.run(
        [sys.executable, "-m", "spanwatch", *words],
        env=environ,
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )


class Collector:
    """One more collector on ports of its own, with the shipped configurations, in front of the stack's back ends."""

    def __init__(self, directory, binary, backends, layers, more=None, *, files=None):
        directory.mkdir(parents=True, exist_ok=True)
        for name, text in {**all_texts(), **(files or {})}.items():
            (directory / name).parent.mkdir(exist_ok=True)
            (directory / name).write_text(text, encoding="utf-8")
        own = processes.free_ports(PORTS[:4])
        self.ports = {**backends, **own}
        self.service = collector(str(directory), self.ports, HMAC_KEY, layers, more)
        self.binary, self.log, self.process = binary, directory / "otelcol.log", None

    @property
    def endpoint(self):
        return f"http://127.0.0.1:{self.ports['otlp_http']}"

    @property
    def grpc(self):
        return f"127.0.0.1:{self.ports['otlp_grpc']}"

    def start(self):
        self.process = processes.start(self.service, self.binary, self.log)
        ready = processes.until(
            lambda: processes.answers(self.service.ready) or not processes.alive(self.process), PATIENCE_S
        )
        assert ready, processes.last_words(self.log, 20)
        assert processes.alive(self.process), processes.last_words(self.log, 20)
        return self

    def kill(self):
        """As the kernel does when memory runs out."""
        os.kill(self.process.pid, 9)
        assert processes.until(lambda: not processes.alive(self.process), 10)

    def stop(self):
        if self.process is not None:
            processes.end(self.process)

    def metrics(self):
        """The collector's own metrics: {name with labels: value}."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.ports['otelcol_metrics']}/metrics", timeout=10) as answer:
            lines = answer.read().decode().splitlines()
        pairs = (line.rpartition(" ") for line in lines if line and not line.startswith("#"))
        return {name: float(value) for name, _, value in pairs}

    def __enter__(self):
        return self.start()

    def __exit__(self, *_):
        self.stop()


def all_texts():
    """Every shipped configuration, the overlays included."""
    place = ROOT / "collector-config"
    more = {path.name: path.read_text(encoding="utf-8") for path in place.glob("*.yaml")}
    return {**texts(), **more}


def run_traffic(server, service, home, endpoint, *words, repeats=1, **environ):
    """Run traffic.py against a collector; what it said."""
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("OPENAI_", "OTEL_", "SPANWATCH_"))}
    told = {
        "OTEL_EXPORTER_OTLP_ENDPOINT": endpoint,
        "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf",
        "OTEL_METRIC_EXPORT_INTERVAL": "1000",
        "SPANWATCH_CALL_EVENTS": "on",
        "SPANWATCH_LOGS": "on",
        "SPANWATCH_EXIT_TIMEOUT": "20",
        "SPANWATCH_BANNER": "off",
    }
    arguments = [server.base_url, service, str(home), str(repeats), *words]
    answer = subprocess.run(
        [sys.executable, str(ROOT / "tests" / "stack" / "traffic.py"), *arguments],
        env={**clean, **told, **environ},
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )
    assert answer.returncode == 0, answer.stderr
    return json.loads(answer.stdout.splitlines()[-1])


class Sending:
    """sending.py as a child process; what it said."""

    def __init__(self, sender, endpoint, service, home, *, count, rate=400):
        clean = {k: v for k, v in os.environ.items() if not k.startswith(("OTEL_", "SPANWATCH_"))}
        arguments = [sender, endpoint, service, str(home), str(count), str(rate)]
        pipe = subprocess.PIPE
        self.service = service
        self.process = subprocess.Popen(
            [sys.executable, str(ROOT / "tests" / "stack" / "sending.py"), *arguments],
            env=clean,
            stdout=pipe,
            stderr=pipe,
        )

    def told(self):
        out, err = self.process.communicate(timeout=240)
        assert self.process.returncode == 0, err.decode()
        return json.loads(out.decode().splitlines()[-1])


def stored_spans(home):
    """What the local store has, as OTLP: spans by id, and log records."""
    answer = command_line("store", "export", "--home", str(home))
    assert answer.returncode == 0, answer.stderr
    spans, logs = {}, []
    for line in answer.stdout.splitlines():
        request = json.loads(line)
        for resource in request.get("resourceSpans", []):
            for scope in resource["scopeSpans"]:
                spans.update({span["spanId"]: span for span in scope["spans"]})
        for resource in request.get("resourceLogs", []):
            for scope in resource["scopeLogs"]:
                logs += scope["logRecords"]
    return spans, logs


def post_spans(endpoint, spans, service, headers=None):
    """Send OTLP JSON spans; each is a dict of the protocol's JSON encoding."""
    request = {
        "resourceSpans": [
            {
                "resource": {"attributes": [{"key": "service.name", "value": {"stringValue": service}}]},
                "scopeSpans": [{"scope": {"name": "by-hand"}, "spans": spans}],
            }
        ]
    }
    body = json.dumps(request).encode()
    return fetched(f"{endpoint}/v1/traces", body, {"Content-Type": "application/json", **(headers or {})})


@contextlib.contextmanager
def ended(process):
    """A `subprocess.Popen` that is ended with the block."""
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(5)


def filled_in(expr, variables):
    """A panel's query with each dashboard variable's text in its place."""
    for name, text in variables.items():
        expr = expr.replace(name, text)
    assert "$" not in expr, expr
    return expr
