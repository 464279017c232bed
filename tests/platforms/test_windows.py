"""The main job on Windows and macOS, simulated in processes that lack what those lack (see `simulated.py`)."""

import contextlib
import json
import os
import sqlite3
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from demo.server import Config, DemoServer
from tests.otel.setup.conftest import Sink
from tests.programs import CHAT

ROOT = Path(__file__).resolve().parents[2]
PLATFORMS = ("win32", "darwin")
pytestmark = [
    pytest.mark.skipif(sys.platform != "linux", reason="on the platform itself nothing needs to be simulated"),
    pytest.mark.slow,
]


@pytest.fixture(scope="module")
def server():
    with DemoServer(Config()) as running:
        yield running


@pytest.fixture
def sink():
    sink = Sink()
    yield sink
    sink.close()


class Machine:
    """Runs programs and verbs as a platform would, in one directory."""

    def __init__(self, path, platform, server):
        self.path, self.platform = path, platform
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("OPENAI_", "OTEL_", "SPANWATCH_"))}
        for name in ("HOME", "TERM", "USER", "LOGNAME", "TZ") if platform == "win32" else ():
            kept.pop(name, None)
        self.environ = {**kept, "PYTHONPATH": str(ROOT), "OPENAI_BASE_URL": server.base_url, "OPENAI_API_KEY": "demo"}
        if platform == "win32":
            self.environ |= {"PYTHONIOENCODING": "cp1252", "USERPROFILE": str(path), "USERNAME": "ann"}

    def start(self, *arguments, **environ):
        return subprocess.Popen(
            [sys.executable, "-m", "tests.platforms.simulated", self.platform, *arguments],
            cwd=self.path,
            env={**self.environ, **environ},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )

    def code(self, code, name="app.py", **environ):
        file = self.path / name
        file.write_text(CHAT + textwrap.dedent(code), encoding="utf-8")
        return self.start(str(file), **environ)

    def run(self, code, code_of_end=0, **environ):
        return done(self.code(code, **environ), code_of_end)

    def verb(self, *arguments, code_of_end=0, **environ):
        return done(self.start("-m", "spanwatch", *arguments, **environ), code_of_end)


def done(process, code_of_end=0):
    out, err = (data.decode("cp1252") for data in process.communicate(timeout=120))
    assert process.returncode == code_of_end, out + err
    assert "Traceback" not in err
    return out


@pytest.fixture(params=PLATFORMS)
def machine(request, tmp_path, server):
    return Machine(tmp_path, request.param, server)


@pytest.fixture
def windows(tmp_path, server):
    return Machine(tmp_path, "win32", server)


# The simulation itself --------------------------------------------------------------------------------------------


def test_the_simulated_windows_lacks_what_windows_lacks_and_refuses_what_it_refuses(windows):
    out = windows.run("""
        import importlib, msvcrt, os, signal, sys
        from pathlib import Path
        for name in ("fcntl", "grp", "posix", "pwd", "resource", "termios", "tty"):
            try: importlib.import_module(name)
            except ModuleNotFoundError: continue
            raise AssertionError(name)
        for name in ("fork", "register_at_fork", "getuid", "fchmod", "pread", "O_NOFOLLOW", "fdatasync", "statvfs"):
            assert not hasattr(os, name), name
        assert not hasattr(signal, "SIGHUP")
        path = Path("text")
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT)
        os.write(descriptor, b"a\\n")
        Path("new").write_text("")
        for refused in (path.unlink, lambda: path.rename("else"), lambda: Path("new").replace(path)):
            try: refused()
            except PermissionError: continue
            raise AssertionError("an open file was moved or removed")
        second = os.open(path, os.O_RDONLY)
        for one in (descriptor, second):
            os.lseek(one, 1 << 40, os.SEEK_SET)
        msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        try: msvcrt.locking(second, msvcrt.LK_NBLCK, 1)
        except PermissionError: print("kept out")
        os.close(descriptor)
        msvcrt.locking(second, msvcrt.LK_NBLCK, 1)
        print(sys.platform, path.read_bytes())
    """)
    assert out.split() == ["kept", "out", "win32", r"b'a\r\n'"]


# Modules ----------------------------------------------------------------------------------------------------------

LOCKED = """
    import os, sys
    from pathlib import Path
    from spanwatch.store import files, locks
    descriptor = files.open_file(Path("lock"), os.O_RDWR | os.O_CREAT)
"""


def test_a_lock_keeps_another_process_out_until_its_holder_ends(machine):
    holder = machine.code(
        LOCKED + "    locks.acquire(descriptor); print('held', flush=True); sys.stdin.readline()", "one.py"
    )
    try:
        assert holder.stdout.readline().split() == [b"held"]
        ask = LOCKED + "    print(locks.attempt(descriptor), locks.attempt(descriptor, shared=True))"
        assert machine.run(ask).split() == ["False", "False"]
    finally:
        holder.kill()
        holder.communicate()
    assert machine.run(LOCKED + "    print(locks.attempt(descriptor)); locks.release(descriptor)").split() == ["True"]


def test_files_are_read_and_written_as_bytes_at_a_place_and_through_no_link(machine):
    out = machine.run(
        LOCKED
        + """
    assert files.write_at(descriptor, b"one\\ntwo\\n\\x1a!", 0) == 10
    locks.acquire(descriptor)
    files.write_at(descriptor, b"TWO", 4)
    files.to_disk(descriptor)
    assert files.read_at(descriptor, 100, 4) == b"TWO\\n\\x1a!", files.read_at(descriptor, 100, 4)
    assert Path("lock").read_bytes() == b"one\\nTWO\\n\\x1a!"
    os.symlink("lock", "link")
    try: files.open_file(Path("link"), os.O_RDWR)
    except OSError as error: print(error.errno)
    try: files.open_file(Path("link"), os.O_RDWR | os.O_CREAT | os.O_EXCL)
    except FileExistsError: print("exists")
    print(files.remove(Path("lock"), lambda: os.close(descriptor)), os.path.exists("lock"))
    if sys.platform == "darwin":
        import fcntl
        assert fcntl.asked == [descriptor]
    """
    )
    assert out.split() == ["40", "exists", "True", "False"]


def test_what_another_process_has_open_stays_for_it_to_remove(windows):
    holder = windows.code(LOCKED + "    print('open', flush=True); sys.stdin.readline()", "one.py")
    try:
        assert holder.stdout.readline().split() == [b"open"]
        ask = LOCKED + "    print(files.remove(Path('lock'), lambda: os.close(descriptor)))"
        assert windows.run(ask).split() == ["False"]
    finally:
        holder.kill()
        holder.communicate()
    assert windows.run(ask).split() == ["True"]


def test_processes_that_rotate_one_file_lose_no_line(windows):
    write = """
        import sys
        from pathlib import Path
        from spanwatch.otel.logs.line_file import LineFile
        file = LineFile(Path("agent.log"), 4_000, 50)
        for number in range(300):
            file.append('{"by": "%s", "n": %d}' % (sys.argv[0][-4:-3], number))
        file.close()
    """
    for process in [windows.code(write, name) for name in ("a.py", "b.py")]:
        done(process)
    files = list(windows.path.glob("agent.log*"))
    found = [json.loads(line) for file in files for line in file.read_text(encoding="ascii").splitlines()]
    assert sorted((line["by"], line["n"]) for line in found) == [(by, n) for by in "ab" for n in range(300)]
    assert len(files) > 3


# The main job -----------------------------------------------------------------------------------------------------


def test_calls_are_kept_reported_sent_and_after_a_kill_resumed_by_another_process(machine, sink):
    machine.run(
        """
        import os, spanwatch
        spanwatch.configure(endpoint="http://127.0.0.1:9", budgets=[spanwatch.Budget("all", usd=5)], banner="off")
        for _ in range(3): chat()
        for _ in chat(stream=True): pass
        os._exit(9)
        """,
        code_of_end=9,
    )
    (killed,) = (path.stem for path in (machine.path / ".spanwatch" / "journal").glob("*.owed"))
    out = machine.run(
        f"""
        import time, spanwatch
        from pathlib import Path
        spanwatch.configure(endpoint={sink.url!r}, banner="off", fsync="interval")
        chat()
        until = time.monotonic() + 60
        while len(list(Path(".spanwatch/journal").glob("*.owed"))) > 1 and time.monotonic() < until:
            time.sleep(0.05)
        print(spanwatch.shutdown().undelivered)
        """
    )
    assert out.split() == ["()"]
    chats = [span.name for span, _scope, _resource in sink.spans()]
    assert chats == ["chat gpt-4o-mini"] * 5
    assert killed not in [path.stem for path in (machine.path / ".spanwatch" / "journal").iterdir()]
    with contextlib.closing(sqlite3.connect(machine.path / ".spanwatch" / "store.db")) as db:
        assert db.execute("SELECT count(*), count(DISTINCT call_id) FROM calls WHERE counted").fetchone() == (5, 5)


VERBS = """
    from spanwatch.cli.main import main
    verbs = ("report", "traces", "calls --json", "top --once", "health", "budgets", "alerts", "doctor --no-send",
             "store stats", "store forget --user ann", "calls --json")
    for verb in verbs:
        print("=====", verb, main(verb.split()), flush=True)
"""


def test_the_verbs_answer(machine):
    machine.run(
        """
        import spanwatch
        spanwatch.configure(budgets=[spanwatch.Budget("all", usd=5)], banner="off")
        with spanwatch.request("ask", user_id="ann"):
            chat()
        spanwatch.AgentLogger("support", file="agent.log").event("done")
        spanwatch.shutdown()
        """
    )
    parts = machine.run(VERBS).split("===== ")
    ends, texts = [part.partition("\n")[0] for part in parts[1:]], [part.partition("\n")[2] for part in parts]
    texts[0] = parts[0]
    assert [end.rpartition(" ")[2] for end in ends] == ["0"] * 11
    found = dict(zip([end.rpartition(" ")[0] for end in ends[:-1]], texts, strict=False))
    (call,) = [json.loads(line) for line in found["calls --json"].splitlines()]
    assert (call["request_model"], call["status"]) == ("gpt-4o-mini", "ok")
    for verb, word in [("report", "1 call"), ("traces", "ask"), ("top --once", "gpt-4o-mini"), ("health", "healthy")]:
        assert word in found[verb], verb
    assert "journal" in found["doctor --no-send"]
    assert texts[10] == ""


def test_a_program_that_is_started_by_run_keeps_its_output_and_exit_code(machine):
    (machine.path / "app.py").write_text(CHAT + "chat()\nprint('out')\nraise SystemExit(3)\n", encoding="utf-8")
    assert machine.verb("run", "--", sys.executable, "app.py", code_of_end=3) == "out\n"
    assert len(machine.verb("calls", "--json").splitlines()) == 1


def test_a_damaged_store_is_set_aside(machine):
    machine.run("import spanwatch\nspanwatch.configure(banner='off')\nchat()\nspanwatch.shutdown()")
    (machine.path / ".spanwatch" / "store.db").write_bytes(b"no database at all" * 1_000)
    machine.run("import spanwatch\nspanwatch.configure(banner='off')\nchat()\nspanwatch.shutdown()")
    assert (machine.path / ".spanwatch" / "store.db.corrupt-1").exists()
    assert "calls        1" in machine.verb("report")


def test_spanwatch_stack_says_what_to_do_instead(windows):
    process = windows.start("-m", "spanwatch", "stack", "status")
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out) == (1, b"")
    assert b"docker compose up --wait" in err


# The rooms' own tests ---------------------------------------------------------------------------------------------

TESTS = ("store/test_projection.py", "store/test_owed.py", "store/test_forget.py", "store/test_retention.py")
TESTS += ("store/test_home.py", "store/ledger/test_sqlite.py", "otel/logs/test_line_file.py")
OF_POSIX = (
    "fork",
    "own_process",
    "owner_only",
    "moved",
    "rotated_before_it_is_too_big",
    "never_gives_back",
    "another_process_removed",
)


def test_the_rooms_tests_pass_on_simulated_windows(windows):
    options = [
        "-q",
        "-p",
        "no:xdist",
        "-p",
        "no:cacheprovider",
        "-p",
        "no:faulthandler",
        "-p",
        "no:cov",
        "--capture=sys",
    ]
    options += ["--tb=native", "-W", "ignore::pytest.PytestAssertRewriteWarning", "--rootdir", str(ROOT)]
    options += ["-c", str(ROOT / "pyproject.toml"), "-k", " and ".join(f"not {word}" for word in OF_POSIX)]
    process = windows.start("-m", "pytest", *options, *(str(ROOT / "tests" / name) for name in TESTS))
    out = process.communicate(timeout=500)[0].decode()
    assert process.returncode == 0, out[-8_000:]
