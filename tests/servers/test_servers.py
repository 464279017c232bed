"""Servers and runners as people start them, under `spanwatch run`: every call of every worker is there, once."""

import contextlib
import http.client
import importlib.util
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from demo.server import Config, DemoServer
from tests.programs import Place

WSGI = """
def app(environ, start):
    chat()
    start("200 OK", [("Content-Type", "text/plain")])
    return [str(__import__("os").getpid()).encode()]
"""
ASGI = """
async def app(scope, receive, send):
    if scope["type"] != "http":
        return
    async with openai.AsyncOpenAI(max_retries=0) as later:
        await later.chat.completions.create(model="gpt-4o-mini", messages=[{"role": "user", "content": "x"}])
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": str(__import__("os").getpid()).encode()})
"""
PATIENCE_S = 60


def needs(*modules):
    missing = [module for module in modules if importlib.util.find_spec(module) is None]
    return pytest.mark.skipif(bool(missing), reason=f"needs {', '.join(missing)}: pip install --group servers")


@pytest.fixture(scope="module")
def server():
    with DemoServer(Config()) as running:
        yield running


@pytest.fixture
def place(tmp_path, server):
    return Place(tmp_path, server)


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return taken.getsockname()[1]


@contextlib.contextmanager
def started(place, *words, **environ):
    """A program under `spanwatch run`, ended by SIGTERM as a supervisor does."""
    command = place.command(sys.executable, "-m", *words)
    with (place.path / "server.log").open("wb") as log:
        process = subprocess.Popen(
            command, cwd=place.path, env={**place.environ, **environ}, stdout=log, stderr=log, start_new_session=True
        )
        try:
            yield process
        finally:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(PATIENCE_S)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()


def asked(port, path="/"):
    """The answer to one request; waits until the server is up."""
    deadline = time.monotonic() + PATIENCE_S
    while True:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE_S)
        try:
            connection.request("GET", path)
            answer = connection.getresponse()
            return answer.status, answer.read().decode()
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)
        finally:
            connection.close()


def check(place, port, count=6):
    answers = [asked(port) for _ in range(count)]
    assert {status for status, _ in answers} == {200}, (place.path / "server.log").read_text()
    return {pid for _, pid in answers}


@needs("gunicorn")
@pytest.mark.parametrize(
    ("code", "options"),
    [
        (WSGI, ("-k", "sync", "-w", "2")),
        (WSGI, ("-k", "sync", "-w", "2", "--preload")),
        (WSGI, ("-k", "gthread", "--threads", "4", "-w", "2")),
        (ASGI, ("-k", "uvicorn_worker.UvicornWorker", "-w", "2")),
    ],
    ids=["sync", "preload", "gthread", "uvicorn worker"],
)
def test_gunicorn(place, code, options):
    place.write(code, "site_app.py")
    port = free_port()
    with started(place, "gunicorn", *options, "-b", f"127.0.0.1:{port}", "site_app:app"):
        check(place, port)
    assert place.calls() == 6


@needs("uvicorn")
def test_uvicorn_with_reload_traces_before_and_after_a_change(place):
    place.write(ASGI, "site_app.py")
    port = free_port()
    with started(place, "uvicorn", "site_app:app", "--reload", "--port", str(port), "--reload-delay", "0.1"):
        first = check(place, port, 1)
        place.write(ASGI + "\nCHANGED = True\n", "site_app.py")
        deadline = time.monotonic() + PATIENCE_S
        requests = 1
        while time.monotonic() < deadline:
            requests += 1
            if check(place, port, 1) != first:
                break
            time.sleep(0.2)
        else:
            pytest.fail("the server did not reload")
    assert place.calls() == requests


TASKS = """
import celery
app = celery.Celery("site_app", broker="filesystem://", backend="file://" + __import__("os").environ["RESULTS"])
folder = __import__("os").environ["QUEUE"]
app.conf.broker_transport_options = {"data_folder_in": folder, "data_folder_out": folder, "processed_folder": folder}
app.conf.worker_concurrency = 2
@app.task
def ask():
    chat()
    return __import__("os").getpid()
"""
ASK = """
import site_app
print([task.get(timeout=50) for task in [site_app.ask.delay() for _ in range(4)]])
"""


@needs("celery")
def test_celery_with_forked_workers(place):
    place.write(TASKS, "site_app.py")
    environ = {"QUEUE": str(place.path / "queue"), "RESULTS": str(place.path / "results")}
    for folder in environ.values():
        Path(folder).mkdir()
    with started(place, "celery", "-A", "site_app", "worker", "--pool", "prefork", "-l", "warning", **environ):
        answer = place.python(ASK, **environ)
        assert answer.returncode == 0, answer.stderr + (place.path / "server.log").read_text()
    assert place.calls() == 4


SUITE = """
import pytest
@pytest.mark.parametrize("number", range(6))
def test_it(number):
    assert chat().model
"""


@needs("xdist")
def test_pytest_with_several_processes(place):
    place.write(SUITE, "test_site.py")
    answer = place.run(
        sys.executable, "-m", "pytest", "-q", "-n", "2", "-p", "no:cacheprovider", "test_site.py", PYTEST_ADDOPTS=""
    )
    assert answer.returncode == 0, answer.stdout + answer.stderr
    assert place.calls() == 6


NOTEBOOK = """
import nbformat, nbclient
cells = [
    "import spanwatch, openai; spanwatch.configure(banner='off')",
    "client = openai.OpenAI(max_retries=0)",
    "client.chat.completions.create(model='gpt-4o-mini', messages=[{'role': 'user', 'content': 'x'}]).model",
    "spanwatch.configure(banner='off')",
    "await openai.AsyncOpenAI().chat.completions.create(model='gpt-4o-mini', messages=[])",
    "print(spanwatch.report().as_dict()['calls'] if 'calls' in spanwatch.report().as_dict() else 'reported')",
]
notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
nbclient.NotebookClient(notebook, timeout=60, kernel_name="python3").execute()
print(notebook.cells[2].outputs[0]["data"]["text/plain"])
"""


@needs("nbclient", "ipykernel")
def test_a_notebook_whose_cells_configure_twice_and_await(place):
    answer = place.python(NOTEBOOK)
    assert answer.returncode == 0, answer.stderr
    assert "gpt-4o-mini-2026-01-01" in answer.stdout
    assert place.calls() == 2


@needs("gunicorn")
def test_gunicorn_by_opentelemetrys_own_command(place):
    place.write(WSGI, "site_app.py")
    command = shutil.which("opentelemetry-instrument", path=str(Path(sys.executable).parent))
    port = free_port()
    words = [sys.executable, command, sys.executable, "-m", "gunicorn", "-w", "2", "-b", f"127.0.0.1:{port}"]
    with (place.path / "server.log").open("wb") as log:
        process = subprocess.Popen(
            [*words, "site_app:app"], cwd=place.path, env=place.environ, stdout=log, stderr=log, start_new_session=True
        )
        try:
            check(place, port)
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(PATIENCE_S)
    assert place.calls() == 6
