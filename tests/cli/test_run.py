"""`spanwatch run` with real programs: nothing of theirs changes, and every call that ended is kept once."""

import contextlib
import json
import os
import signal
import sqlite3
import subprocess
import textwrap
import time
from pathlib import Path

import pytest

from demo.server import Config, DemoServer
from spanwatch.cli.run import untraceable
from spanwatch.core import names
from spanwatch.store.projection import project
from tests.otel.setup.conftest import Sink
from tests.programs import CHAT, PYTHON, Place


@pytest.fixture(scope="module")
def server():
    with DemoServer(Config()) as running:
        yield running


@pytest.fixture
def sink():
    sink = Sink()
    yield sink
    sink.close()


@pytest.fixture
def place(tmp_path, server):
    return Place(tmp_path, server)


def told(answer):
    """The start line and the summary, after a check that there is nothing else."""
    lines = answer.stderr.splitlines()
    assert lines[0].startswith("spanwatch 0."), answer.stderr
    return lines[0], lines[1:]


# What stays as it was ---------------------------------------------------------------------------------------------


def test_output_and_exit_code_are_the_programs_own_and_stderr_gains_a_start_line_and_a_summary(place):
    answer = place.app("import sys; chat(); print('out'); print('err', file=sys.stderr); sys.exit(3)")
    assert (answer.returncode, answer.stdout) == (3, "out\n")
    first, rest = told(answer)
    for words in (str(place.path / ".spanwatch"), "content off", "prices 20", "openai ", "not covered: audio"):
        assert words in first
    assert rest[0] == "err"
    assert sum("1 call" in line for line in rest[1:]) >= 1
    assert place.calls() == 1


@pytest.mark.parametrize(
    ("end", "code"),
    [("pass", 0), ("import os; os._exit(5)", 5), ("import sys; sys.exit('bye')", 1), ("raise KeyError('mine')", 1)],
)
def test_every_way_to_end_keeps_its_exit_code_and_loses_no_call(place, end, code):
    answer = place.app(f"chat()\n{end}")
    assert answer.returncode == code
    assert answer.stdout == ""
    assert ("KeyError: 'mine'" in answer.stderr) == ("mine" in end)
    assert place.calls() == 1


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL, signal.SIGSEGV])
def test_a_program_ended_by_a_signal_ends_us_by_the_same_and_loses_no_call(place, number):
    answer = place.app(f"import os, signal; chat(); os.kill(os.getpid(), {int(number)})")
    assert answer.returncode == -number
    assert place.calls() == 1


def test_a_signal_to_us_reaches_the_program_which_may_handle_it(place):
    code = """
    import signal, sys, time
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(7))
    chat(); print("ready", flush=True); time.sleep(30)
    """
    command = place.command(PYTHON, str(place.write(code)))
    with subprocess.Popen(command, cwd=place.path, env=place.environ, stdout=-1, stderr=-1, text=True) as process:
        assert process.stdout.readline() == "ready\n"
        process.terminate()
        assert process.wait(20) == 7
    assert place.calls() == 1


def test_a_signal_that_is_ignored_stays_ignored_as_under_nohup(place):
    code = "import signal; print(*(signal.getsignal(s) is signal.SIG_IGN for s in (signal.SIGHUP, signal.SIGTERM)))"
    shell = ["sh", "-c", 'trap "" HUP; exec "$@"', "sh", *place.command(PYTHON, "-c", code)]
    answer = subprocess.run(
        shell, cwd=place.path, env=place.environ, capture_output=True, text=True, timeout=60, check=False
    )
    assert answer.stdout == "True False\n"


def test_standard_input_is_the_programs(place):
    answer = subprocess.run(
        place.command(PYTHON, "-c", "print(input()[::-1])"),
        cwd=place.path, env=place.environ, input="abc\n", capture_output=True, text=True, timeout=30, check=False,
    )  # fmt: skip
    assert answer.stdout == "cba\n"


def test_nothing_is_traced_and_nothing_breaks_without_a_model_call(place):
    answer = place.run(PYTHON, "-c", "print(1)")
    assert (answer.returncode, answer.stdout) == (0, "1\n")
    assert told(answer)[1][0].startswith("spanwatch: no model calls were seen")
    assert not (place.path / ".spanwatch").exists()


def test_wrong_use_is_told_in_one_line_with_its_exit_code(place):
    assert place.run().returncode == 2
    missing = place.run("no-such-program")
    assert (missing.returncode, missing.stderr) == (127, "spanwatch: command not found: no-such-program\n")
    wrong = place.run(PYTHON, "-c", "print(1)", options=["--sample", "7"])
    assert wrong.returncode == 2
    assert "sample" in wrong.stderr
    assert "Traceback" not in wrong.stderr


def test_a_wrong_setting_in_the_environment_leaves_the_program_running_untraced(place):
    answer = place.app("chat(); print('ran')", SPANWATCH_OPENAI="nonsense")
    assert (answer.returncode, answer.stdout) == (0, "ran\n")
    assert answer.stderr.startswith("spanwatch: this program runs untraced: ")
    assert answer.stderr.count("\n") == 1


# How programs are started -----------------------------------------------------------------------------------------


def test_a_propagator_that_is_not_installed_leaves_the_program_running_untraced(place):
    answer = place.app("import os\nprint(chat().model, os.environ['OTEL_PROPAGATORS'])", OTEL_PROPAGATORS="b9")
    assert (answer.returncode, answer.stdout) == (0, "gpt-4o-mini-2026-01-01 b9\n"), answer.stderr
    assert "spanwatch: this program runs untraced: Propagator b9 not found." in answer.stderr
    assert "Traceback" not in answer.stderr


def test_a_module_a_snippet_a_script_with_arguments_and_a_console_script_are_all_traced(place):
    place.write("import sys; chat(); print(sys.argv[1:])", "package/__main__.py")
    place.write("", "package/__init__.py")
    script = place.write("import sys; chat(); print(sys.argv[1:])", "bin/tool")
    script.write_text(f"#!{PYTHON}\n{script.read_text()}", encoding="utf-8")
    script.chmod(0o755)
    path = f"{script.parent}{os.pathsep}{place.environ['PATH']}"
    assert place.run(PYTHON, "-m", "package", "--verbose", "x").stdout == "['--verbose', 'x']\n"
    assert place.run(PYTHON, "-c", f"{CHAT}chat(); print(9)").stdout == "9\n"
    assert place.app("import sys; chat(); print(sys.argv[1:])", "--", "-c", "a b").stdout == "['--', '-c', 'a b']\n"
    assert place.run("tool", "one", PATH=path).stdout == "['one']\n"
    assert place.calls() == 4


def test_a_sitecustomize_of_the_program_runs_first_and_pythonpath_stays(place):
    (place.path / "lib").mkdir()
    (place.path / "lib" / "sitecustomize.py").write_text("import sys\nsys.mine = __file__\n", encoding="utf-8")
    answer = place.app("import sys; chat(); print(sys.mine)", PYTHONPATH=str(place.path / "lib"))
    assert answer.stdout == f"{place.path / 'lib' / 'sitecustomize.py'}\n"
    assert place.calls() == 1


def test_programs_that_it_starts_are_traced_under_the_same_run(place):
    place.write("chat()", "child.py")
    answer = place.app("import subprocess, sys; chat(); subprocess.run([sys.executable, 'child.py'], check=True)")
    assert answer.returncode == 0
    assert place.calls() == 2
    assert "2 call" in answer.stderr.splitlines()[-1] or "2 call" in answer.stderr


@pytest.mark.parametrize(
    ("command", "flag"),
    [
        (["python", "-I", "app.py"], "-I"),
        (["python3.11", "-X", "dev", "-sE", "app.py"], "-E"),
        (["python", "-S"], "-S"),
        (["python", "-W", "error", "app.py", "-I"], None),
        (["python", "-c", "x", "-I"], None),
        (["python", "-m", "mod", "-E"], None),
        (["gunicorn", "-I"], None),
    ],
)
def test_a_command_line_that_shuts_us_out_is_told(command, flag):
    limit = untraceable(command)
    assert limit is None if flag is None else f"python {flag} keeps" in limit


# Concurrency ------------------------------------------------------------------------------------------------------


def test_threads_tasks_and_processes_lose_no_call_and_count_none_twice(place):
    code = """
    import asyncio, multiprocessing, os, sys
    from concurrent.futures import ThreadPoolExecutor
    def work(_):
        chat()
    def child():
        global client  # a forked one must not use its parent's connections
        client = openai.OpenAI(max_retries=0)
        chat()
    async def tasks():
        async with openai.AsyncOpenAI(max_retries=0) as later:
            await asyncio.gather(*(later.chat.completions.create(
                model="gpt-4o-mini", messages=[{"role": "user", "content": "x"}]) for _ in range(10)))
    if __name__ == "__main__":
        chat()
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(work, range(10)))
        asyncio.run(tasks())
        for method in ("spawn", "fork"):
            processes = [multiprocessing.get_context(method).Process(target=child) for _ in range(3)]
            for process in processes: process.start()
            for process in processes: process.join()
            assert all(process.exitcode == 0 for process in processes)
        pids = []
        for _ in range(3):  # as a preforking server does
            pid = os.fork()
            if not pid:
                child()
                os._exit(0)
            pids.append(pid)
        for pid in pids:
            assert os.waitpid(pid, 0)[1] == 0
        print("done")
    """
    answer = place.app(code)
    assert (answer.returncode, answer.stdout) == (0, "done\n"), answer.stderr
    assert place.calls() == 1 + 10 + 10 + 3 + 3 + 3
    assert answer.stderr.count("content off") == 1, answer.stderr
    assert "untraced" not in answer.stderr
    ((instances, with_calls),) = place.rows("SELECT count(DISTINCT source), count(*) FROM calls WHERE counted")
    assert (instances, with_calls) == (10, 30)


def test_a_server_that_forks_before_its_first_call_has_an_instance_for_each_worker(place):
    code = """
    import os
    pids = []
    for _ in range(2):
        pid = os.fork()
        if not pid:
            chat()
            os._exit(0)
        pids.append(pid)
    for pid in pids: os.waitpid(pid, 0)
    """
    assert place.app(code).returncode == 0
    assert place.rows("SELECT count(DISTINCT source) FROM calls") == [(2,)]


def test_killed_in_the_middle_everything_that_ended_is_in_the_store_once(place):
    code = """
    import os, threading
    def work():
        while True:
            chat(); os.write(1, b"x\\n")
    for _ in range(3): threading.Thread(target=work).start()
    """
    command = place.command(PYTHON, str(place.write(code)))
    seen = 0
    with subprocess.Popen(command, cwd=place.path, env=place.environ, stdout=-1, stderr=-1) as process:
        while seen < 200:
            seen += len(process.stdout.readline()) == 2
        child = int(Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()[0])
        os.kill(child, signal.SIGKILL)
        seen += process.stdout.read().count(b"x\n")
        process.wait(20)
    assert process.returncode == -signal.SIGKILL
    assert seen <= place.calls() <= seen + 3
    assert seen <= place.rows("SELECT count(*) FROM spans")[0][0] <= place.calls()


# Providers of the program -----------------------------------------------------------------------------------------

THEIR_SETUP = """
from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.resources import Resource
import os
early = trace.get_tracer("early")
provider = TracerProvider(resource=Resource.create({"service.name": "theirs"}))
provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(os.environ["THEIR_SINK"] + "/v1/traces")))
trace.set_tracer_provider(provider)
assert trace.get_tracer_provider() is provider
"""


def test_a_provider_that_the_program_sets_later_is_the_global_one_and_is_joined(place, sink):
    code = f"""
    {textwrap.indent(THEIR_SETUP, "    ").strip()}
    with early.start_as_current_span("handle", attributes={{"secret": "s"}}):
        chat()
    """
    answer = place.app(code, THEIR_SINK=sink.url)
    assert (answer.returncode, answer.stdout) == (0, ""), answer.stderr
    assert "Overriding" not in answer.stderr
    assert sorted(span.name for span, _, _ in sink.spans()) == ["chat gpt-4o-mini", "handle"]
    assert {resource["service.name"] for _, _, resource in sink.spans()} == {"theirs"}
    assert sink.metrics() == sink.logs() == []
    assert place.calls() == 1
    assert dict(place.rows("SELECT name, parent_id IS NULL FROM spans")) == {"handle": 1, "chat gpt-4o-mini": 0}


def test_a_program_with_its_own_set_up_sends_nothing_twice_nor_anywhere_new(place, sink):
    ours = Sink()
    try:
        answer = place.app(
            f"{THEIR_SETUP}\nwith early.start_as_current_span('handle'):\n    chat()",
            THEIR_SINK=sink.url,
            OTEL_EXPORTER_OTLP_ENDPOINT=ours.url,
            OTEL_METRIC_EXPORT_INTERVAL="60000",
        )
        assert answer.returncode == 0, answer.stderr
        assert sorted(span.name for span, _, _ in sink.spans()) == ["chat gpt-4o-mini", "handle"]
        assert ours.spans() == []
        assert {metric.name for metric, _, _ in ours.metrics()} >= {names.COST_USD}
    finally:
        ours.close()


def test_with_the_standard_endpoint_spans_and_metrics_go_out_once(place, sink):
    answer = place.app("chat()", OTEL_EXPORTER_OTLP_ENDPOINT=sink.url, OTEL_SERVICE_NAME="bot")
    assert answer.returncode == 0
    assert f"{sink.url} (reachable)" in told(answer)[0]
    assert [(span.name, resource["service.name"]) for span, _, resource in sink.spans()] == [
        ("chat gpt-4o-mini", "bot")
    ]
    assert names.COST_USD in {metric.name for metric, _, _ in sink.metrics()}


def test_a_dead_collector_costs_no_more_than_the_exit_timeout_and_one_line(place):
    began = time.monotonic()
    answer = place.app("chat(); print('out')", options=["--endpoint", "http://127.0.0.1:9"])
    assert time.monotonic() - began < 15
    assert (answer.returncode, answer.stdout) == (0, "out\n")
    first, rest = told(answer)
    assert "not reachable" in first
    assert [line for line in rest if "127.0.0.1:9" in line] == [rest[0]]
    assert "not delivered within 2 s; what is not sent is kept in" in rest[0]
    assert place.calls() == 1


def test_the_options_reach_the_program(place):
    answer = place.app(
        "chat()", options=["--service", "bot", "--home", "kept", "--content", "on", "--no-summary", "--sample", "1"]
    )
    assert answer.returncode == 0
    first, rest = told(answer)
    assert "content on" in first
    assert rest == []
    project(place.path / "kept")
    with contextlib.closing(sqlite3.connect(place.path / "kept" / "store.db")) as db:
        ((attributes,),) = db.execute("SELECT body FROM spans").fetchall()
    found = json.loads(attributes)["a"]
    assert "x" in found[names.INPUT_MESSAGES]


def test_openllmetry_can_be_the_engine(place):
    answer = place.app("chat()", options=["--openai", "openllmetry"])
    assert answer.returncode == 0, answer.stderr
    assert "by opentelemetry-instrumentation-openai" in told(answer)[0]
    assert place.rows("SELECT scope FROM calls WHERE counted") == [("opentelemetry.instrumentation.openai.v1",)]


def test_beside_opentelemetrys_own_starter_a_call_counts_once(place):
    starter = str(Path(PYTHON).parent / "opentelemetry-instrument")
    answer = place.run(starter, PYTHON, str(place.write("chat()")))
    assert answer.returncode == 0, answer.stderr
    assert place.calls() == 1
