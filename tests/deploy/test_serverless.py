"""The handler of docs/how-to/run-in-production.md in a runtime that freezes it as soon as it has answered."""

import json
import os
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from demo.server import Config, DemoServer
from tests.otel.setup.conftest import Sink

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "how-to" / "run-in-production.md"
RUNTIME = """
import json, os, signal, sys, time
for line in sys.stdin:
    began = time.monotonic()
    answer = handler(json.loads(line), None)
    print(json.dumps({"answer": answer, "seconds": time.monotonic() - began}), flush=True)
    os.kill(os.getpid(), signal.SIGSTOP)
"""
pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="processes are frozen with SIGSTOP")


@pytest.fixture
def sink():
    sink = Sink()
    yield sink
    sink.close()


@pytest.fixture
def instance(sink, tmp_path):
    """An instance of the function: `invoke` thaws it, asks it, and returns once it is frozen again."""
    block = next(text for text in PAGE.read_text(encoding="utf-8").split("```python\n")[1:] if "def handler" in text)
    code = block.partition("```")[0].rpartition("\n\n\nhandler(")[0]
    assert code.count("/tmp/spanwatch") == 1
    (tmp_path / "function.py").write_text(code.replace("/tmp/spanwatch", str(tmp_path / "home")) + RUNTIME)
    with DemoServer(Config()) as server:
        clean = {k: v for k, v in os.environ.items() if not k.startswith(("OPENAI_", "OTEL_", "SPANWATCH_"))}
        process = subprocess.Popen(
            [sys.executable, tmp_path / "function.py"],
            cwd=tmp_path,
            env={
                **clean,
                "OPENAI_BASE_URL": server.base_url,
                "OPENAI_API_KEY": "x",
                "OTEL_EXPORTER_OTLP_ENDPOINT": sink.url,
            },
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

        def invoke(user):
            os.kill(process.pid, signal.SIGCONT)
            process.stdin.write(json.dumps({"question": "hi", "user": user}) + "\n")
            process.stdin.flush()
            lines = [process.stdout.readline()]
            while not lines[-1].startswith('{"answer"'):
                assert lines[-1], "the function has ended"
                lines.append(process.stdout.readline())
            assert os.WIFSTOPPED(os.waitpid(process.pid, os.WUNTRACED)[1])
            return json.loads(lines[-1]), "".join(lines[:-1])

        yield invoke
        process.kill()
        process.communicate()


def told(sink):
    """Who was served, by the name of what the sink has of it."""
    spans = [span for span, _scope, _resource in sink.spans()]
    users = [
        (span.name, item.value.string_value) for span in spans for item in span.attributes if item.key == "user.id"
    ]
    return Counter(users)


def both(*users):
    return Counter((name, user) for user in users for name in ("chat gpt-4o-mini", "request invoke"))


def test_what_an_invocation_did_has_arrived_before_it_is_frozen(instance, sink):
    for number in range(1, 6):
        found, said = instance(f"user-{number}")
        assert found["answer"]
        assert said == ""
        assert told(sink) == both(*(f"user-{each}" for each in range(1, number + 1)))


def test_a_collector_that_hangs_costs_the_time_given_and_the_next_invocation_sends_what_waited(instance, sink):
    instance("first")
    sink.gate.clear()
    found, said = instance("waits")
    assert found["answer"]
    assert not sink.gate.is_set()  # it has answered though the collector had not
    assert found["seconds"] < 10  # the flush had one second; the rest is a machine's that does other things
    assert "undelivered" in said
    assert told(sink) == both("first")
    sink.gate.set()
    instance("last")
    for _ in range(20):
        if told(sink) >= both("first", "waits", "last"):
            break
        instance("more")
    found = told(sink)
    assert {key: count for key, count in found.items() if key[1] in {"first", "last"}} == both("first", "last")
    assert set(both("waits")) <= set(found)  # a request that hung may have been taken: what it held is sent again
