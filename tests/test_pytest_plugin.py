"""The pytest plugin in a run of its own."""

import os
import subprocess
import sys

import pytest

from demo.server import Config, DemoServer

TESTS = """
import openai
import spanwatch

def test_of_one_call(spanwatch_capture):
    openai.OpenAI().chat.completions.create(model="gpt-4o-mini", messages=[{"role": "user", "content": "hi"}])
    spanwatch_capture.assert_cost_below(1)

def test_of_none(spanwatch_capture):
    pass

def test_of_an_unknown_model(spanwatch_capture):
    openai.OpenAI().chat.completions.create(model="acme-1", messages=[{"role": "user", "content": "hi"}])
    assert False

def test_apart():
    pass
"""


@pytest.fixture
def ran(tmp_path):
    (tmp_path / "test_it.py").write_text(TESTS)

    def run(*words):
        with DemoServer(Config()) as server:
            environment = {**os.environ, "OPENAI_BASE_URL": server.base_url, "OPENAI_API_KEY": "demo"}
            command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-c", os.devnull, *words]
            answer = subprocess.run(
                [*command, "--rootdir", str(tmp_path), "test_it.py"], cwd=tmp_path, env=environment,
                capture_output=True, text=True, timeout=60, check=False,
            )  # fmt: skip
        return answer.stdout

    return run


@pytest.mark.parametrize("words", [(), ("-n", "2")])
def test_the_report_says_calls_tokens_and_cost_of_each_test_that_captures(ran, words):
    text = ran("--spanwatch-report", *words)
    section = text[text.index("= spanwatch =") :]
    lines = {line.split("::")[-1]: line for line in section.splitlines() if "::" in line and "  test_it" in line}
    assert set(lines) == {"test_of_one_call", "test_of_none", "test_of_an_unknown_model"}
    assert lines["test_of_one_call"].startswith("1 call, ")
    assert " tokens, $0.0000" in lines["test_of_one_call"]
    assert lines["test_of_none"].startswith("0 calls  ")
    assert "tokens, unknown  " in lines["test_of_an_unknown_model"]


def test_without_the_option_nothing_is_said(ran):
    text = ran()
    assert "3 passed" in text
    assert "spanwatch ==" not in text


def test_a_run_in_which_nothing_captures_says_so(ran):
    assert "no test used the fixture spanwatch_capture" in ran("--spanwatch-report", "-k", "apart")
