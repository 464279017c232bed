"""`spanwatch stack` with small programs in place of the real ones, which tests/stack has."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from spanwatch.cli import stack_processes as processes
from spanwatch.cli.main import main
from spanwatch.cli.stack import binary, texts
from spanwatch.core.errors import StackError
from spanwatch.generate.stack import TEXTS, Service

# Answers "ready" on whatever port its environment or arguments name, until it is told to end.
PROGRAM = """#!{python}
import http.server, os, re, sys
words = " ".join(sys.argv[1:])
named = [os.environ.get(name) for name in ("OTELCOL_HEALTH_PORT", "JAEGER_HEALTH_PORT", "LOKI_HTTP_PORT")]
found = re.search(r"listen-address=127[.]0[.]0[.]1:(\\d+)", words)
port = int(next(filter(None, named), None) or found[1])
class Ready(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()
    def log_message(self, *_):
        pass
http.server.HTTPServer(("127.0.0.1", port), Ready).serve_forever()
"""
NAMES = ("otelcol", "jaeger", "prometheus", "alertmanager", "loki")


@pytest.fixture
def programs(tmp_path):
    place = tmp_path / "bin"
    place.mkdir()
    for name in NAMES:
        (place / name).write_text(PROGRAM.format(python=sys.executable))
        (place / name).chmod(0o755)
    return place


@pytest.fixture
def verb(programs, tmp_path, capsys):
    home = str(tmp_path / "home")

    def run(*words):
        code = main(["stack", *words, "--home", home, *(["--bin", str(programs)] if words[0] == "up" else [])])
        answer = capsys.readouterr()
        return code, answer.out, answer.err

    run.directory = Path(home) / "stack"
    try:
        yield run
    finally:
        run("down")


def test_up_starts_all_status_says_where_and_down_ends_them(verb):
    code, out, _ = verb("up")
    assert code == 0
    assert {line.split()[0] for line in out.splitlines() if line.endswith("runs")} == set(NAMES)
    code, out, _ = verb("status", "--json")
    told = json.loads(out)
    assert code == 0
    assert told["running"] == dict.fromkeys(told["running"], True)
    assert verb("status", "--endpoint")[1].strip() == told["addresses"]["otlp"]
    pids = told["processes"].values()
    assert verb("down")[0] == 0
    assert [processes.began(pid) for pid in pids] == [None] * len(NAMES)
    code, _, err = verb("status", "--endpoint")
    assert (code, "spanwatch stack up" in err) == (1, True)


def test_one_program_is_ended_and_started_again_on_its_port_with_its_options(verb):
    verb("up", "--keep", "--quick")
    before = json.loads(verb("status", "--json")[1])
    assert verb("down", "jaeger")[0] == 0
    assert verb("up", "jaeger")[0] == 0
    after = json.loads(verb("status", "--json")[1])
    assert after["addresses"] == before["addresses"]
    assert after["processes"]["loki"] == before["processes"]["loki"]
    assert after["processes"]["jaeger"] != before["processes"]["jaeger"]
    state = processes.load(verb.directory)
    assert state.processes["jaeger"].command[-1].endswith("jaeger-badger.yaml")
    code, _, err = verb("up", "--sampling")
    assert (code, "other options" in err) == (2, True)


def test_secrets_are_private_and_the_webhook_is_one_of_them(verb):
    verb("up", "alertmanager", "--webhook", "http://127.0.0.1:1/hook")
    for path in (verb.directory / "secrets").iterdir():
        assert path.stat().st_mode & 0o077 == 0, path
    assert (verb.directory / "secrets" / "alert_chat_url").read_text() == "http://127.0.0.1:1/hook"


def test_a_program_that_ends_at_once_is_told_with_its_last_words(verb, programs):
    (programs / "loki").write_text("#!/bin/sh\necho the disk is full\nexit 3\n")
    code, _, err = verb("up", "loki")
    assert code == 1
    assert "loki ended at once" in err
    assert "the disk is full" in err


def test_a_program_that_is_nowhere_is_told_with_the_remedy(tmp_path):
    with pytest.raises(StackError, match=r"loki is not on PATH nor in .*current/bin: make stack builds it"):
        binary("loki", None, {"PATH": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path)})
    with pytest.raises(StackError, match=r"loki is not in /said \(--bin, SPANWATCH_STACK_BIN\): make stack builds it"):
        binary("loki", "/said", {"PATH": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path)})


def test_programs_are_found_in_the_cache_and_under_their_other_name(tmp_path):
    place = tmp_path / "spanwatch-stack" / "current" / "bin"
    place.mkdir(parents=True)
    for name in ("loki", "otelcol-contrib"):
        (place / name).write_text("#!/bin/sh\n")
        (place / name).chmod(0o755)
    environ = {"PATH": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path)}
    assert binary("loki", None, environ) == place / "loki"
    assert binary("otelcol", None, environ) == place / "otelcol-contrib"


def test_a_process_id_that_is_somebody_else_s_by_now_is_left_alone(tmp_path):
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as other:
        stranger = processes.Started(other.pid, "another time", ("jaeger",))
        assert not processes.alive(stranger)
        processes.end(stranger)
        assert other.poll() is None
        other.communicate(b"\n")


def test_a_program_that_will_not_end_is_made_to(tmp_path):
    stubborn = (
        "import signal,sys,time\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\nprint(1,flush=True)\ntime.sleep(60)"
    )
    service = Service("stubborn", ("-c", stubborn), {}, "")
    started = processes.start(service, Path(sys.executable), tmp_path / "log")
    assert processes.until(lambda: (tmp_path / "log").read_text() == "1\n", 20)
    processes.end(started, patience_s=0.2)
    assert not processes.alive(started)
    os.waitpid(started.pid, 0)


def test_a_damaged_state_is_an_error_that_names_the_file(verb):
    verb.directory.mkdir(parents=True)
    (verb.directory / "state.json").write_text("{")
    code, _, err = verb("status")
    assert (code, "state.json cannot be read" in err) == (1, True)
    (verb.directory / "state.json").unlink()


def test_nothing_runs_before_up(verb):
    assert verb("status")[:2] == (1, "nothing runs: spanwatch stack up\n")
    assert verb("down")[:2] == (0, "nothing runs\n")


def test_the_shipped_texts_are_found():
    assert texts().keys() == set(TEXTS)
