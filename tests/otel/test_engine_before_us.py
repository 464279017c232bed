"""An instrumentation that the application put on the OpenAI client before it configures spanwatch."""

import pytest

from demo.server import Config, DemoServer
from tests.otel.test_four_engines import SEEING
from tests.programs import Place


@pytest.fixture(scope="module")
def server():
    with DemoServer(Config()) as running:
        yield running


BEFORE = """
import os, spanwatch
from {package} import OpenAIInstrumentor as Theirs
def engaged(name):
    budget = spanwatch.Budget(name, usd="0.0001", window="1d")
    spanwatch.configure(openai=os.environ["ENGINE"], budgets=[budget], banner="off")
def asked():
    try:
        return chat(max_tokens=100).object
    except spanwatch.BudgetExceeded as error:
        return error.budget
Theirs().instrument()
engaged("first")
print(asked(), asked())
engaged("second")
print(asked(), asked())
spanwatch.shutdown()
print(asked())
"""
PACKAGES = ["openinference.instrumentation.openai", "opentelemetry.instrumentation.openai"]


@pytest.mark.parametrize("package", PACKAGES)
@pytest.mark.parametrize("engine", SEEING)
def test_budgets_refuse_and_each_call_is_there_once_whoever_was_on_the_client_before(tmp_path, server, engine, package):
    place, before = Place(tmp_path, server), len(server.seen)
    answer = place.python(BEFORE.format(package=package), ENGINE=engine)
    assert answer.returncode == 0, answer.stderr
    assert answer.stdout.splitlines() == ["chat.completion first", "chat.completion second", "chat.completion"]
    assert len(server.seen) - before == 3
    rows = place.rows("SELECT status, nano_usd FROM calls WHERE counted OR status = 'refused' ORDER BY status")
    assert rows == [("ok", 42_000)] * 2 + [("refused", None)] * 2
