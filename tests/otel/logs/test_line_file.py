"""One record is one line, for threads and processes, across rotations."""

import errno
import json
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from spanwatch.otel.logs import line_file
from spanwatch.otel.logs.line_file import LineFile
from spanwatch.store import locks

WRITER = """
import sys
from pathlib import Path
from spanwatch.otel.logs.line_file import LineFile
path, name, count, max_bytes = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
file = LineFile(Path(path), max_bytes, 100)
print("ready", flush=True)
sys.stdin.readline()
for number in range(count):
    file.append('{"by":"%s","n":%d,"x":"%s"}' % (name, number, "x" * (number % 50 * 400)))
file.close()
"""


@pytest.fixture
def made():
    files = []

    def make(path, max_bytes=0, backups=3):
        files.append(LineFile(path, max_bytes, backups))
        return files[-1]

    yield make
    for file in files:
        file.close()


def read(folder):
    """Every line of a file and of those it was rotated to."""
    texts = [path.read_text(encoding="ascii") for path in folder.glob("agent.log*")]
    assert all(text.endswith("\n") for text in texts)
    return [json.loads(line) for text in texts for line in text.splitlines()]


def test_processes_append_whole_lines_and_lose_none_to_each_others_rotation(tmp_path):
    path = tmp_path / "agent.log"
    writers = [
        subprocess.Popen(
            [sys.executable, "-c", WRITER, str(path), f"p{number}", "200", "200000"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for number in range(3)
    ]
    for writer in writers:
        assert writer.stdout.readline() == "ready\n"
    for writer in writers:
        writer.communicate("go\n", timeout=60)
        assert writer.returncode == 0
    found = read(tmp_path)
    assert len(list(tmp_path.iterdir())) > 10
    assert sorted((line["by"], line["n"]) for line in found) == [(f"p{p}", n) for p in range(3) for n in range(200)]
    assert all(len(line["x"]) == line["n"] % 50 * 400 for line in found)


def test_threads_with_one_file_and_with_files_of_their_own_append_whole_lines(tmp_path, made):
    path = tmp_path / "agent.log"
    shared, own = made(path, 20_000, 1_000), made(path, 20_000, 1_000)

    def work(file, name):
        for number in range(200):
            file.append(json.dumps({"by": name, "n": number}))

    threads = [threading.Thread(target=work, args=(shared if n % 2 else own, n)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted((line["by"], line["n"]) for line in read(tmp_path)) == [(b, n) for b in range(8) for n in range(200)]


def test_a_file_is_rotated_before_it_is_too_big_and_only_so_many_are_kept(tmp_path, made):
    file = made(tmp_path / "agent.log", 100, 2)
    for number in range(10):
        file.append(json.dumps({"n": number, "x": "y" * 30}))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["agent.log", "agent.log.1", "agent.log.2"]
    assert all(path.stat().st_size <= 100 for path in tmp_path.iterdir())
    assert sorted(line["n"] for line in read(tmp_path)) == [4, 5, 6, 7, 8, 9]


def test_a_line_longer_than_the_limit_is_kept_whole(tmp_path, made):
    file = made(tmp_path / "agent.log", 100, 3)
    for _ in range(2):
        file.append(json.dumps({"x": "y" * 1_000}))
    assert [len(line["x"]) for line in read(tmp_path)] == [1_000, 1_000]


def test_a_file_that_was_moved_or_removed_by_others_is_begun_anew(tmp_path, made):
    file = made(tmp_path / "agent.log")
    file.append('{"n":1}')
    (tmp_path / "agent.log").rename(tmp_path / "agent.log.old")
    file.append('{"n":2}')
    (tmp_path / "agent.log").unlink()
    file.append('{"n":3}')
    assert [line["n"] for line in read(tmp_path)] in ([1, 3], [3, 1])


def test_a_forked_child_and_its_parent_share_a_file(tmp_path):
    code = (
        "import os\nfrom pathlib import Path\nfrom spanwatch.otel.logs.line_file import LineFile\n"
        f"file = LineFile(Path({str(tmp_path / 'agent.log')!r}), 2000, 1000)\n"
        'file.append(\'{"by":0,"n":-1}\')\n'
        "child = os.fork()\n"
        'for n in range(200): file.append(\'{"by":%d,"n":%d}\' % (child == 0, n))\n'
        "file.close()\n"
        "os._exit(0) if child == 0 else os.waitpid(child, 0)\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
    expected = sorted([(0, -1), *((by, n) for by in range(2) for n in range(200))])
    assert sorted((line["by"], line["n"]) for line in read(tmp_path)) == expected


def test_a_forked_child_opens_the_file_anew_so_that_locks_keep_it_out(tmp_path):
    code = (
        "import fcntl, os\nfrom pathlib import Path\nfrom spanwatch.otel.logs.line_file import LineFile\n"
        f"file = LineFile(Path({str(tmp_path / 'agent.log')!r}), 0, 1)\n"
        "file.append('x')\n"
        "fcntl.flock(file._opened(), fcntl.LOCK_EX)\n"
        "if os.fork() == 0:\n"
        "    try: fcntl.flock(file._opened(), fcntl.LOCK_EX | fcntl.LOCK_NB)\n"
        "    except BlockingIOError: os._exit(7)\n"
        "    os._exit(0)\n"
        "assert os.waitstatus_to_exitcode(os.wait()[1]) == 7\n"
        "file.close()\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


def test_a_lock_that_another_process_never_gives_back_keeps_no_line_from_being_written(tmp_path, made):
    path = tmp_path / "agent.log"
    file = made(path, 20, 3)
    file.append('{"n":0}')
    with path.open() as theirs:
        locks.acquire(theirs.fileno())
        for number in range(1, 5):
            file.append(f'{{"n":{number}}}')
        assert [line["n"] for line in read(tmp_path)] == [0, 1, 2, 3, 4]
        assert list(tmp_path.iterdir()) == [path]
    file.append('{"n":5}')
    assert sorted(path.name for path in tmp_path.iterdir()) == ["agent.log", "agent.log.1"]
    assert sorted(line["n"] for line in read(tmp_path)) == [0, 1, 2, 3, 4, 5]


def test_a_directory_that_refuses_rotation_costs_no_line(tmp_path, made, monkeypatch):
    def refuse(_source, _target):
        raise PermissionError

    file = made(tmp_path / "agent.log", 20, 3)
    monkeypatch.setattr(os, "rename", refuse)
    for number in range(5):
        file.append(f'{{"n":{number}}}')
    assert [line["n"] for line in read(tmp_path)] == [0, 1, 2, 3, 4]


def test_a_file_system_without_locks_is_written_to(tmp_path, made, monkeypatch):
    def refuse(_descriptor):
        raise OSError(errno.ENOLCK, "no locks here")

    monkeypatch.setattr(line_file.locks, "attempt", refuse)
    made(tmp_path / "agent.log").append('{"n":1}')
    assert [line["n"] for line in read(tmp_path)] == [1]


def test_a_line_that_does_not_fit_on_the_disk_is_taken_back(tmp_path, made, monkeypatch):
    file = made(tmp_path / "agent.log")
    file.append('{"n":1}')
    real = os.write
    monkeypatch.setattr(line_file.os, "write", lambda descriptor, data: real(descriptor, data[:3]))
    with pytest.raises(OSError, match="took 3 of 8 bytes"):
        file.append('{"n":2}')
    monkeypatch.undo()
    file.append('{"n":3}')
    assert [line["n"] for line in read(tmp_path)] == [1, 3]


def test_a_change_of_the_working_directory_changes_nothing(tmp_path, made, monkeypatch):
    monkeypatch.chdir(tmp_path)
    file = made(Path("agent.log"), 20, 9)
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    for number in range(3):
        file.append(f'{{"number":{number}}}')
    assert sorted(line["number"] for line in read(tmp_path)) == [0, 1, 2]
