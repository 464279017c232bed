"""Our own secrets in nothing that a whole run says or writes, with everything logged and everything failing."""

import json
import subprocess
import sys

import pytest

from tests.faults.rig import bare_environment

pytestmark = pytest.mark.faults
HIDDEN = "Zq8xW2vB7nM4"

PROGRAM = """
import faulthandler, json, logging, os, sys, traceback
given = json.loads(os.environ.pop("GIVEN"))  # not in the code: Python 3.13 shows its lines in stack traces
logging.basicConfig(level=logging.DEBUG)
import spanwatch
from opentelemetry import trace
from spanwatch.otel.setup import INSTANCE
spanwatch.configure(
    endpoint=given["endpoint"], home=given["home"], openai="none", banner="on",
    feedback_key=given["key"], logs=True, live_interval=1,
    budgets=[spanwatch.Budget("daily", usd=5)], exit_timeout=1,
)
for number in range(50):
    trace.get_tracer("app").start_span("s").end()
    logging.getLogger("app").warning("one %d", number)
print(spanwatch.flush(2))
print(INSTANCE.runtime.settings, repr(INSTANCE.runtime.settings.exports))
try:
    spanwatch.configure(endpoint=given["wrong"])
except spanwatch.ConfigurationError:
    traceback.print_exc()
faulthandler.dump_traceback(sys.stderr, all_threads=True)
for thread, frame in sys._current_frames().items():
    print("".join(traceback.StackSummary.extract(traceback.walk_stack(frame), capture_locals=False).format()))
raise RuntimeError("the application's own")
"""

MODES = {
    "answers 401": {"kind": "status", "status": 401},
    "redirects": {"kind": "status", "status": 302, "headers": {"Location": f"http://x/?token={HIDDEN}7"}},
    "refuses": {"kind": "down"},
    "resets": {"kind": "reset"},
    "junk": {"kind": "no_http"},
    "takes all": {"kind": "ok"},
}


@pytest.mark.parametrize("mode", MODES)
def test_a_run_shows_none_of_its_secrets_in_output_logs_stack_traces_or_files(sink, tmp_path, mode):
    sink.mode(**MODES[mode])
    home = tmp_path / "home"
    endpoint = sink.url.replace("http://", f"http://bob:{HIDDEN}@") + f"/?api_key={HIDDEN}"
    given = {"endpoint": endpoint, "home": str(home), "key": HIDDEN * 3, "wrong": f"ftp://bob:{HIDDEN}@x"}
    headers = f"authorization=Bearer {HIDDEN},x-key={HIDDEN}"
    environ = {**bare_environment(), "OTEL_EXPORTER_OTLP_HEADERS": headers, "GIVEN": json.dumps(given)}
    ended = subprocess.run(
        [sys.executable, "-c", PROGRAM], capture_output=True, text=True, timeout=60, env=environ, check=False
    )
    said = ended.stdout + ended.stderr
    assert "the application's own" in said
    assert "ConfigurationError" in said
    assert "spanwatch" in said
    assert HIDDEN not in said
    files = [path for path in home.rglob("*") if path.is_file()]
    assert files
    assert [path for path in files if HIDDEN.encode() in path.read_bytes()] == []
    assert {path.stat().st_mode & 0o077 for path in files} == {0}
