"""A container as strict platforms start it: read-only file system, no home directory, a user id that nobody has."""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from demo.server import Config, DemoServer
from tests.otel.setup.conftest import Sink
from tests.programs import CHAT

UID = "12345"
PROBE = (sys.executable, "-c", "import spanwatch")  # an interpreter in root's own home is closed to others
APP = """
import os, pathlib, spanwatch
assert "HOME" not in os.environ
try:
    pathlib.Path("probe").write_text("")
except OSError:
    pass
else:
    raise SystemExit("this directory can be written")
spanwatch.configure(banner="off")
with spanwatch.request("ask", user_id="ann"):
    chat()
spanwatch.AgentLogger("support").event("done")
print(os.getuid(), bool(spanwatch.shutdown()))
"""
pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="containers are Linux")


@pytest.fixture
def sink():
    sink = Sink()
    yield sink
    sink.close()


def strict(directory):
    """The start of a command that runs with `directory` read-only, as a user of no name; None where that cannot be."""
    if os.geteuid() != 0:
        directory.chmod(0o555)
        return []
    if shutil.which("unshare") is None or shutil.which("setpriv") is None:
        return None
    script = 'mount --bind "$0" "$0" && mount -o remount,bind,ro "$0" && cd "$0" && exec "$@"'
    found = ["unshare", "--mount", "sh", "-c", script, str(directory)]
    found += ["setpriv", "--reuid", UID, "--regid", UID, "--clear-groups"]
    return found if subprocess.run([*found, *PROBE], check=False, capture_output=True).returncode == 0 else None


def run(directory, *words, **environ):
    start = strict(directory)
    if start is None:
        pytest.skip("root without the right to mount, or whose interpreter no other user may run")
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("OPENAI_", "OTEL_", "SPANWATCH_", "XDG_"))}
    for name in ("HOME", "USER", "LOGNAME", "USERNAME"):
        clean.pop(name, None)
    return subprocess.run(
        [*start, *words],
        cwd=directory,
        env={**clean, **environ, "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.fixture
def directory():
    found = Path(tempfile.mkdtemp(prefix="spanwatch-container-"))  # pytest's own are closed to other users
    (found / "app.py").write_text(CHAT + APP, encoding="utf-8")
    found.chmod(0o755)
    yield found
    found.chmod(0o755)
    shutil.rmtree(found)


def test_a_container_that_may_write_nothing_sends_all_and_says_so_once(directory, sink):
    with DemoServer(Config()) as server:
        given = {"OPENAI_BASE_URL": server.base_url, "OPENAI_API_KEY": "x", "OTEL_EXPORTER_OTLP_ENDPOINT": sink.url}
        answer = run(directory, sys.executable, "app.py", **given)
    assert answer.returncode == 0, answer.stderr
    assert answer.stdout.split()[1] == "True"
    assert answer.stdout.split()[0] in {UID, str(os.geteuid())}
    assert answer.stderr.count("cannot be written") == 1
    assert "Traceback" not in answer.stderr
    assert sorted(span.name for span, _scope, _resource in sink.spans()) == ["chat gpt-4o-mini", "request ask"]
    assert len(sink.logs()) >= 1
    assert [path.name for path in directory.iterdir()] == ["app.py"]


def test_the_verbs_say_what_is_missing_and_nothing_else(directory):
    for verb, code in ((["report"], 1), (["price", "--model", "gpt-4o-mini", "--input", "10"], 0)):
        answer = run(directory, sys.executable, "-m", "spanwatch", *verb)
        assert answer.returncode == code, answer.stderr
        assert "Traceback" not in answer.stderr
