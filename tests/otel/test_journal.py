from __future__ import annotations

import errno
import os
import random
import shutil
import signal
import stat
import subprocess
import sys
import textwrap
import threading
import time

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from spanwatch.core.records import frame, lines, unframe
from spanwatch.core.sanitise import MAX_RECORD, MAX_TEXT, Sanitiser
from spanwatch.otel.journal import UNENCODABLE, UNWRITABLE, Journal, Origin
from spanwatch.store import locks
from tests.otel.rig import new_id, records


def journal(home, **options):
    return Journal(home, Origin("svc", "run-1", lambda: {"service.name": "svc"}), new_id, **options)


def test_the_first_record_of_a_segment_says_who_writes_it(tmp_path):
    ours = journal(tmp_path)
    assert ours.append("log", {"body": "hello"})
    head, log = records(tmp_path)
    assert {key: head[key] for key in ("k", "v", "instance", "pid", "run", "service", "resource")} == {
        "k": "head",
        "v": 1,
        "instance": ours.instance,
        "pid": os.getpid(),
        "run": "run-1",
        "service": "svc",
        "resource": {"service.name": "svc"},
    }
    assert isinstance(head["at"], int)
    assert log == {"k": "log", "body": "hello"}
    ours.close()


def test_directories_and_segments_are_for_their_owner_only(tmp_path):
    home = tmp_path / "deep" / ".spanwatch"
    ours = journal(home)
    ours.append("log", {})
    (segment,) = (home / "journal").iterdir()
    assert segment.name == f"{ours.instance}-1.log"
    modes = [stat.S_IMODE(path.stat().st_mode) for path in (home, home / "journal", segment)]
    assert modes == [0o700, 0o700, 0o600]
    ours.close()


def test_a_segment_is_locked_while_it_is_written_and_free_when_it_is_finished(tmp_path):
    ours = journal(tmp_path, segment_bytes=2_000)
    while len(list((tmp_path / "journal").glob("*")) if ours.appended else []) < 2:
        ours.append("log", {"body": "x" * 100})
    first, second = (tmp_path / "journal" / f"{ours.instance}-{number}.log" for number in (1, 2))
    assert first.stat().st_size <= 2_000

    def lockable(path):
        with path.open("rb") as file:
            return locks.attempt(file.fileno())

    assert (lockable(first), lockable(second)) == (True, False)
    ours.close()
    assert lockable(second)
    assert {record["k"] for record in records(tmp_path)} == {"head", "log"}


def test_a_symbolic_link_in_the_way_is_not_followed(tmp_path):
    target = tmp_path / "target"
    target.write_text("mine")
    (tmp_path / "journal").mkdir()
    ids = iter(["a" * 32])
    ours = Journal(tmp_path, Origin("svc"), lambda: next(ids))
    (tmp_path / "journal" / f"{'a' * 32}-1.log").symlink_to(target)
    assert not ours.append("log", {})
    assert target.read_text() == "mine"
    ours.close()


class Throws:
    def __str__(self):
        raise RuntimeError("no text")

    __repr__ = __str__


CYCLE: list[object] = []
CYCLE.append(CYCLE)
DEEP: list[object] = []
for _ in range(5_000):
    DEEP = [DEEP]

HOSTILE = {
    "lone surrogate": ("\ud83d", "\ud83d"),
    "not a number": (float("nan"), "nan"),
    "infinity": (float("-inf"), "-inf"),
    "huge integer": (2**200, str(2**200)),
    "bytes": (b"\x00\xff", {"$bytes": "AP8="}),
    "newlines": ("a\nb\r\u2028", "a\nb\r\u2028"),
    "nul": ("a\x00b", "a\x00b"),
    "object whose text throws": (Throws(), "<Throws>"),
    "set": (frozenset({1}), [1]),
    "mixed keys": ({1: "a", None: "b"}, {"1": "a", "None": "b"}),
}


@pytest.mark.parametrize(("value", "kept"), HOSTILE.values(), ids=HOSTILE.keys())
def test_a_hostile_value_is_kept_as_json_and_costs_nothing_else(tmp_path, value, kept):
    ours = journal(tmp_path)
    assert ours.append("log", {"a": Sanitiser().attributes({"bad": value, "good": 1})})
    assert records(tmp_path)[1]["a"] == {"bad": kept, "good": 1}
    ours.close()


@pytest.mark.parametrize(
    "value", [CYCLE, DEEP, {"self": CYCLE}, Throws(), {1, 2}, object()], ids=lambda value: type(value).__name__
)
def test_a_body_that_is_no_json_is_cleaned_rather_than_lost(tmp_path, value):
    ours = journal(tmp_path)
    assert ours.append("log", {"body": value, "good": 1})
    record = records(tmp_path)[1]
    assert record["good"] == 1
    assert "body" in record
    ours.close()


def test_a_huge_value_is_cut_and_says_so(tmp_path):
    safe = Sanitiser()
    kept = safe.attributes({"one": "x" * 10_000_000, **{f"k{i}": "y" * MAX_TEXT for i in range(20)}})
    assert len(kept["one"]) == MAX_TEXT
    assert sum(map(len, kept.values())) <= MAX_RECORD
    assert safe.cut >= 1


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60, deadline=None)
@given(
    st.dictionaries(
        st.text(max_size=20),
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary(),
            lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
            max_leaves=12,
        ),
        max_size=8,
    )
)
def test_whatever_is_appended_is_read_back_as_json(tmp_path, attributes):
    kept = Sanitiser().attributes(attributes)
    line = frame("span", {"a": kept})
    assert line.count(b"\n") == 1
    assert unframe(line[:-1]) == {"k": "span", "a": kept}
    assert kept.keys() == attributes.keys()


def test_a_vanished_directory_is_said_once_and_writing_goes_on(tmp_path, caplog):
    home = tmp_path / ".spanwatch"
    ours = journal(home, retry_s=0.05)
    ours.append("log", {"n": 1})
    shutil.rmtree(home)
    time.sleep(0.06)
    assert ours.append("log", {"n": 2})
    assert [record.get("n") for record in records(home)] == [None, 2]
    ours.close()
    assert not caplog.records


def test_an_unwritable_directory_is_said_once_counted_and_resumed(tmp_path, caplog):
    home = tmp_path / ".spanwatch"
    home.mkdir()
    (home / "journal").write_text("a file where the directory should be")
    lost = []
    ours = journal(home, retry_s=0.05, lost=lambda reason, count: lost.append((reason, count)))
    assert [ours.append("log", {"n": n}) for n in range(5)] == [False] * 5
    assert ours.dropped == {UNWRITABLE: 5}
    assert lost == [(UNWRITABLE, 1)] * 5
    assert not ours.writable
    (home / "journal").unlink()
    time.sleep(0.06)
    assert ours.append("log", {"n": 5})
    assert ours.writable
    kinds = [(record["k"], record.get("n")) for record in records(home)]
    assert kinds == [("head", None), ("dropped", 5), ("log", 5)]
    first, second = (record.getMessage() for record in caplog.records)
    assert "cannot be written" in first
    assert "5 records could not be kept in it meanwhile" in second
    ours.close()


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EROFS, errno.EACCES, errno.EDQUOT, errno.EIO])
def test_a_failing_write_never_raises_and_costs_one_record_at_most(tmp_path, monkeypatch, code, caplog):
    ours = journal(tmp_path, retry_s=0.0)
    ours.append("log", {"n": 1})
    write = os.write

    def failing(fd, data):
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(os, "write", failing)
    assert not ours.append("log", {"n": 2})
    monkeypatch.setattr(os, "write", write)
    assert ours.append("log", {"n": 3})
    assert [record["n"] for record in records(tmp_path) if record["k"] == "log"] == [1, 3]
    assert len(caplog.records) == 2
    ours.close()


def test_half_a_record_on_a_full_disk_is_taken_back(tmp_path, monkeypatch):
    ours = journal(tmp_path, retry_s=60)
    ours.append("log", {"n": 1})
    write = os.write
    monkeypatch.setattr(os, "write", lambda fd, data: write(fd, data[:7]))
    assert not ours.append("log", {"n": 2})
    monkeypatch.undo()
    (segment,) = (tmp_path / "journal").iterdir()
    assert [line.payload is None for line in lines(segment.read_bytes())] == [False, False]
    assert segment.read_bytes().endswith(b"\n")
    ours.close()


def test_a_record_nobody_can_encode_is_dropped_and_counted(tmp_path):
    class Vanishing(dict):
        def items(self):
            raise RuntimeError

        keys = copy = __iter__ = items

    ours = journal(tmp_path)
    assert not ours.append("log", Vanishing(a=1))
    assert ours.dropped == {UNENCODABLE: 1}
    ours.close()


def test_a_resource_that_throws_costs_the_resource_only(tmp_path):
    ours = Journal(tmp_path, Origin("svc", None, lambda: 1 / 0), new_id)
    assert ours.append("log", {"n": 1})
    assert records(tmp_path)[0]["resource"] == {}
    ours.close()


def test_a_forked_child_writes_under_its_own_instance_and_leaves_the_parents_segment_alone(tmp_path):
    program = """
        import os, sys, uuid
        from pathlib import Path
        from spanwatch.otel.journal import Journal, Origin
        journal = Journal(Path(sys.argv[1]), Origin("svc"), lambda: uuid.uuid4().hex)
        journal.append("log", {"who": "parent", "n": 0})
        for child in range(5):
            pid = os.fork()
            if pid == 0:
                for n in range(20):
                    assert journal.append("log", {"who": f"child{child}", "n": n})
                os._exit(0)
            os.waitpid(pid, 0)
        journal.append("log", {"who": "parent", "n": 1})
    """
    subprocess.run([sys.executable, "-c", textwrap.dedent(program), str(tmp_path)], check=True, timeout=30)
    segments = list((tmp_path / "journal").iterdir())
    assert len(segments) == 6
    per_segment = []
    for segment in segments:
        head, *rest = (line.payload for line in lines(segment.read_bytes()))
        assert head["instance"] == segment.stem.rsplit("-", 1)[0]
        per_segment.append(({record["who"] for record in rest}, len(rest)))
    assert sorted((min(who), count) for who, count in per_segment) == [
        *((f"child{child}", 20) for child in range(5)),
        ("parent", 2),
    ]
    assert all(len(who) == 1 for who, _ in per_segment)


def test_threads_write_whole_records_through_rotation(tmp_path):
    ours = journal(tmp_path, segment_bytes=4_000)

    def work(thread):
        for number in range(100):
            ours.append("log", {"id": f"{thread}-{number}", "body": "x" * (number % 50)})

    threads = [threading.Thread(target=work, args=(thread,)) for thread in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    ours.close()
    kept = [record["id"] for record in records(tmp_path) if record["k"] == "log"]
    assert len(kept) == len(set(kept)) == 800
    assert ours.appended == 800


KILLED = """
    import sys, uuid
    from pathlib import Path
    from tests.otel.rig import Rig
    rig = Rig(Path(sys.argv[1]))
    number = 0
    while True:
        call = rig.call(call_id=uuid.uuid4().hex)
        sys.stdout.write(call.call_id + "\\n")
        sys.stdout.flush()
"""


@pytest.mark.parametrize("seed", range(3))
def test_sigkill_at_any_moment_loses_no_call_that_had_ended(tmp_path, seed):
    program = [sys.executable, "-c", textwrap.dedent(KILLED), str(tmp_path)]
    with subprocess.Popen(program, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        printed = [process.stdout.readline().strip()]
        threading.Timer(random.Random(seed).uniform(0.05, 0.5), process.send_signal, [signal.SIGKILL]).start()
        printed += [line.strip() for line in process.stdout if line.endswith("\n")]
    assert process.returncode == -signal.SIGKILL
    kept = records(tmp_path)
    assert len(printed) > 10
    assert set(printed) <= {record["call_id"] for record in kept if record["k"] == "call"}
    spans = {record["a"]["spanwatch.call.id"] for record in kept if record["k"] == "span"}
    assert set(printed) <= spans


def test_an_append_costs_the_caller_at_most_40_microseconds(tmp_path):
    journal = Journal(tmp_path, Origin("svc"), new_id)
    body = {"call_id": "c" * 32, "operation": "chat", "usage": {"input_tokens": 120}, "cost": {"nano_usd": 42_000}}
    took = []
    for _ in range(3_000):
        began = time.perf_counter()
        journal.append("call", body)
        took.append(time.perf_counter() - began)
    journal.close()
    assert sorted(took)[len(took) // 2] <= 40e-6


class Interrupted:
    """A lock at whose taking comes a Ctrl-C: just `after`, when nobody has noted yet that it is taken, or before."""

    def __init__(self, lock, *, after):
        self._lock, self._after, self.calm = lock, after, False

    def acquire(self, *args):
        if self.calm:
            return self._lock.acquire(*args)
        self.calm = True
        if self._after:
            assert self._lock.acquire(*args)
        raise KeyboardInterrupt

    def __getattr__(self, name):
        return getattr(self._lock, name)


@pytest.mark.parametrize("what", ["put", "close"])
def test_an_interrupt_just_after_the_lock_was_taken_leaves_it_to_other_threads(tmp_path, what):
    journal = Journal(tmp_path, Origin("svc"), new_id)
    journal.append("log", {"n": 0})
    journal._lock = Interrupted(journal._lock, after=True)
    with pytest.raises(KeyboardInterrupt):
        journal.append("log", {"n": 1}) if what == "put" else journal.close()
    assert journal._lock.calm
    other = threading.Thread(target=journal.append, args=("log", {"n": 2}), daemon=True)
    other.start()
    other.join(10)
    assert not other.is_alive()
    assert not journal._backlog.begun
    assert [record["n"] for record in records(tmp_path) if record["k"] == "log"] == [0, 2]


def test_an_interrupt_in_an_append_inside_another_leaves_the_outer_one_its_lock(tmp_path):
    journal = Journal(tmp_path, Origin("svc"), new_id)
    lock = journal._lock
    with lock:
        journal._lock = Interrupted(lock, after=False)
        with pytest.raises(KeyboardInterrupt):
            journal.append("log", {"n": 1})
        assert lock._is_owned()
