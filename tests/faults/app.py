"""An application that emits numbered spans: `python app.py SYSTEM PLAN`, with the plan as JSON.

Systems: `ours`, and `stock` (opentelemetry-sdk's BatchSpanProcessor with its OTLP/HTTP exporter). Each id goes into the
file `log` right after its span has ended, so that a kill at any moment leaves the truth; `end` is written at the end of
the work, with the time.
"""

from __future__ import annotations

import contextlib
import json
import multiprocessing
import os
import resource
import signal
import struct
import sys
import threading
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

from opentelemetry import trace
from opentelemetry.sdk.trace import SpanProcessor, TracerProvider

from tests.faults.hostile import INPUTS


class Thrower(SpanProcessor):
    def on_end(self, span):
        raise RuntimeError("a processor's own")


class App:
    def __init__(self, system, plan):
        self.system, self.plan = system, plan
        self.log = os.open(plan["log"], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        if plan.get("thrower") == "first":
            trace.set_tracer_provider(TracerProvider())
            trace.get_tracer_provider().add_span_processor(Thrower())
        self.flush = self.ours() if system == "ours" else self.stock()
        if plan.get("thrower") == "last":
            trace.get_tracer_provider().add_span_processor(Thrower())
        self.bound()
        self.tracer = trace.get_tracer("faults")

    def ours(self):
        import spanwatch

        spanwatch.configure(
            service="faults",
            home=self.plan["home"],
            endpoint=self.plan["endpoint"],
            openai="none",
            banner="off",
            live_interval=self.plan.get("live_interval", 0),
            store=self.plan.get("store", True),
            **self.plan.get("settings", {}),
        )
        return spanwatch.flush

    def stock(self):
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace.export import BatchSpanProcessor

        provider = trace.get_tracer_provider()
        if not isinstance(provider, TracerProvider):
            provider = TracerProvider(resource=Resource({"service.name": "faults"}))
            trace.set_tracer_provider(provider)
        provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(endpoint=self.plan["endpoint"] + "/v1/traces")))
        return lambda timeout: provider.force_flush(int(timeout * 1000))

    def bound(self):
        """What the operating system no longer gives."""
        if size := self.plan.get("file_bytes"):
            resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))
        if self.plan.get("files"):
            resource.setrlimit(resource.RLIMIT_NOFILE, (len(list(Path("/proc/self/fd").iterdir())) + 2, 4_096))

    def span(self, number, **attributes):
        span = self.tracer.start_span("work", attributes={"faults.id": number, **attributes})
        with contextlib.suppress(RuntimeError):  # a processor's own
            span.end()
        os.write(self.log, struct.pack("<q", number))

    def hostile(self):
        """100 spans for each bad input, one of which has it; `.hostile` has the names of those that were raised."""
        raised, wait = [], self.plan["hostile"]
        for number, (name, spoil) in enumerate(INPUTS.items()):
            for index in range(100):
                try:
                    span = self.tracer.start_span("work", attributes={"faults.id": number * 100 + index})
                    if index == 50:
                        spoil(span)
                    span.end()
                except Exception:  # noqa: BLE001 - what is raised here is what is counted
                    raised.append(name)
                    span.end()
            self.flush(wait)
        Path(self.plan["log"] + ".hostile").write_text(json.dumps(raised), encoding="utf-8")

    def spans(self, first, count):
        rate, began = self.plan.get("rate", 0), time.monotonic()
        padding = {"padding": "x" * self.plan["padding"]} if self.plan.get("padding") else {}
        for index in range(count):
            self.span(first + index, **padding)
            if rate and (behind := began + (index + 1) / rate - time.monotonic()) > 0:
                time.sleep(behind)

    def work(self):
        plan = self.plan
        first, count, threads = plan.get("first", 0), plan["count"], plan.get("threads", 1)
        if threads == 1:
            self.spans(first, count)
            return
        each = count // threads
        working = [threading.Thread(target=self.spans, args=(first + index * each, each)) for index in range(threads)]
        for thread in working:
            thread.start()
        for thread in working:
            thread.join()

    def forked(self):
        """Children by every way, each with ids of its own."""
        plan, first = self.plan, self.plan.get("first", 0) + 1_000
        match plan["fork"]:
            case "os.fork":
                for child in range(plan.get("children", 3)):
                    if os.fork() == 0:
                        self.spans(first + child * 100, 50)
                        os._exit(0)
                for _ in range(plan.get("children", 3)):
                    os.wait()
            case "os.fork, sys.exit":
                if os.fork() == 0:
                    self.spans(first, 50)
                    sys.exit(0)
                os.wait()
            case "60 x under load":
                self.plan = {**plan, "rate": 200}
                busy = [threading.Thread(target=self.spans, args=(10_000 + n * 2_000, 1_000)) for n in range(4)]
                for thread in busy:
                    thread.start()
                for child in range(60):
                    if os.fork() == 0:
                        self.spans(first + child * 100, 5)
                        os._exit(0)
                for _ in range(60):
                    os.wait()
                for thread in busy:
                    thread.join()
            case "multiprocessing":
                context = multiprocessing.get_context("fork")
                children = [context.Process(target=self.spans, args=(first + n * 100, 50)) for n in range(3)]
                for child in children:
                    child.start()
                for child in children:
                    child.join()
            case "pool":
                with ProcessPoolExecutor(2, mp_context=multiprocessing.get_context("fork")) as pool:
                    list(pool.map(in_pool, [first + n * 100 for n in range(4)]))

    def done(self):
        found = self.flush(self.plan["flush"]) if self.plan.get("flush") else None
        told = {"at": time.time(), "true": bool(found)}
        if self.system == "ours" and found is not None:
            told["accounts"] = {
                each.signal: {
                    "emitted": each.emitted,
                    "delivered": each.delivered,
                    "journaled": each.journaled,
                    "in_memory": each.in_memory,
                    "dropped": dict(each.dropped),
                }
                for each in found.accounts
            }
        Path(self.plan["log"] + ".end").write_text(json.dumps(told), encoding="utf-8")

    def end(self):
        match self.plan.get("end", "exit"):
            case "exit":
                pass
            case "sys.exit":
                sys.exit(3)
            case "raise":
                raise RuntimeError("the application's own")
            case "_exit":
                os._exit(0)
            case "SIGTERM" | "SIGINT" | "SIGKILL" as name:
                os.kill(os.getpid(), getattr(signal, name))
                time.sleep(30)
            case "wait":
                sys.stdin.read()


APP: App | None = None


def in_pool(first):
    assert APP is not None
    APP.spans(first, 50)


def main():
    global APP
    signal.signal(signal.SIGINT, signal.default_int_handler)
    APP = App(sys.argv[1], json.loads(sys.argv[2]))
    if APP.plan.get("daemon"):
        for _ in range(2):
            if os.fork():
                os._exit(0)
    if APP.plan.get("hostile"):
        APP.hostile()
    else:
        APP.work()
    if APP.plan.get("fork"):
        APP.forked()
    APP.done()
    APP.end()


if __name__ == "__main__":
    main()
