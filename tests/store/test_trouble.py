"""A full disk, a directory that is read-only or vanishes: the application does not notice, it is said once."""

import contextlib
import os
import subprocess
import sys

import pytest

from spanwatch.store.calls import calls
from spanwatch.store.catching_up import caught_up
from spanwatch.store.summary import summary

PROGRAM = """
import os, resource, shutil, sys, time
import spanwatch
from opentelemetry import trace

home, trouble = sys.argv[1:]
journal = os.path.join(home, "journal")
spanwatch.configure(service="t", home=home)
tracer = trace.get_tracer("app")
done = 0
ATTRIBUTES = {
    "gen_ai.operation.name": "chat", "gen_ai.provider.name": "openai", "gen_ai.request.model": "gpt-4o"
}

def work(count):
    global done
    for _ in range(count):
        with tracer.start_as_current_span("chat gpt-4o", attributes=ATTRIBUTES):
            done += 1

def until(question):
    deadline = time.monotonic() + 20
    while not question() and time.monotonic() < deadline:
        work(1)
        time.sleep(0.05)

work(200)
if trouble == "full":
    segments = os.listdir(journal)
    size = max(os.path.getsize(os.path.join(journal, name)) for name in segments)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size + 100, before[1]))
    work(200)
    resource.setrlimit(resource.RLIMIT_FSIZE, before)
    until(lambda: set(os.listdir(journal)) - set(segments))
elif trouble == "vanished":
    shutil.rmtree(home)
    until(lambda: os.path.isdir(journal))
work(200)
spanwatch.shutdown()
print(done)
"""


def run(home, trouble):
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(home), trouble], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    return int(done.stdout), done.stderr


def test_a_full_disk_costs_what_did_not_fit_is_said_once_and_resumed(tmp_path):
    home = tmp_path / "home"
    ended, said = run(home, "full")
    assert said.count("cannot be written") == 1
    assert said.count("is written again") == 1
    with caught_up(home) as place:
        kept = sum(1 for _ in calls(place))
        lost = dict(summary(place).losses)["journal_unwritable"]
    assert kept >= 400
    # A span and its call are two records; some may have found room for one of the two.
    assert 0 < ended - kept <= lost <= 2 * (ended - kept) + 2


def test_a_directory_that_vanishes_is_made_again(tmp_path):
    home = tmp_path / "home"
    ended, said = run(home, "vanished")
    with caught_up(home) as place:
        kept = sum(1 for _ in calls(place))
    assert 200 <= kept < ended
    assert "Traceback" not in said


def test_a_read_only_directory_stops_nothing(tmp_path):
    home = tmp_path / "home"
    home.mkdir(mode=0o500)
    done = [
        subprocess.run(["mount", *words], check=False, capture_output=True).returncode
        for words in (["--bind", home, home], ["-o", "remount,bind,ro", home])
    ]
    try:
        if any(done) and os.geteuid() == 0:
            pytest.skip("nothing can be mounted here, and root writes everywhere")
        ended, said = run(home, "none")
        assert ended == 400
        assert said.count("cannot be written") == 1
        assert list(home.iterdir()) == []
    finally:
        with contextlib.suppress(OSError):
            subprocess.run(["umount", "-l", home], check=False, capture_output=True)
