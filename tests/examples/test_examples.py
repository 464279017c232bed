"""The examples are run as a reader would, against the demo server, and leave what they say in the store."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from demo.server import Config, DemoServer

EXAMPLES = Path(__file__).resolve().parent.parent.parent / "examples"
PROGRAMS = ["batch_report", "handoffs", "rag", "research_agent", "support_bot"]


@pytest.fixture(scope="module")
def environment():
    """A demo server that asks for a search first, and no setting of ours."""
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("OPENAI_", "OTEL_", "SPANWATCH_"))}
    with DemoServer(Config(tool_args='{"query": "heat pumps", "to": "shipping"}')) as server:
        yield {**clean, "OPENAI_BASE_URL": server.base_url, "OPENAI_API_KEY": "demo"}


@pytest.fixture
def example(environment, tmp_path):
    def run(name, *words):
        command = [sys.executable, "-W", "error", str(EXAMPLES / f"{name}.py"), *words]
        answer = _run(command, tmp_path, environment)
        assert answer.returncode == 0, answer.stderr
        assert "Traceback" not in answer.stderr
        return answer.stdout

    return run


@pytest.fixture
def calls(environment, tmp_path):
    def stored():
        answer = _run([sys.executable, "-m", "spanwatch", "calls", "--json"], tmp_path, environment)
        assert answer.returncode == 0, answer.stderr
        return [json.loads(line) for line in answer.stdout.splitlines()]

    return stored


def _run(command, directory, environment):
    return subprocess.run(
        command, cwd=directory, env=environment, capture_output=True, text=True, timeout=120, check=False
    )


def test_every_example_is_tested_and_told_in_the_readme():
    assert sorted(path.stem for path in EXAMPLES.glob("*.py")) == PROGRAMS
    text = (EXAMPLES / "README.md").read_text(encoding="utf-8")
    assert [name for name in PROGRAMS if f"[{name}.py]({name}.py)" not in text] == []


def test_the_support_bot_s_ratings_lie_beside_its_streams(example, calls):
    told = example("support_bot")
    assert "low ratings: [(2.0, 'It took too long and did not help.')]" in told
    stored = calls()
    assert [(call["user_id"], call["agent"], call["stream"]) for call in stored] == [
        ("alice", "support", True),
        ("bob", "support", True),
        ("alice", "support", True),
    ]
    assert {call["conversation_id"] for call in stored} == {"desk-alice", "desk-bob"}
    assert all(call["cost_usd"] is not None for call in stored)


def test_the_research_agent_never_spends_more_than_its_budget(example, calls):
    told = example("research_agent")
    assert told.count("stopped: budget 'research' (gen_ai.conversation.id=study-") == 3
    spent = {}
    for call in calls():
        if call["cost_usd"] is not None:
            spent[call["conversation_id"]] = spent.get(call["conversation_id"], 0) + float(call["cost_usd"])
    assert sorted(spent) == ["study-1", "study-2", "study-3"]
    assert all(0 < usd <= 0.001 for usd in spent.values())


def test_rag_has_its_look_ups_in_the_tree(example, environment, tmp_path):
    told = example("rag")
    trace_id = told.split("spanwatch trace ")[1].split()[0]
    tree = _run([sys.executable, "-m", "spanwatch", "trace", trace_id, "--json"], tmp_path, environment)
    lines = [(span["depth"], span["name"]) for span in json.loads(tree.stdout)["spans"]]
    assert lines == [
        (0, "request question"),
        (1, "invoke_agent help"),
        (2, "retrieval help-pages"),
        (3, "embeddings text-embedding-3-small"),
        (2, "chat gpt-4o-mini"),
    ]


def test_each_agent_of_the_handoffs_has_its_own_calls_and_the_dead_tool_is_told(example, calls):
    told = example("handoffs")
    assert "__main__.CarrierSilentError" in told
    assert sorted((call["user_id"], call["agent"], call["request_model"]) for call in calls()) == [
        *[("alice", "shipping", "gpt-4.1")] * 2,
        ("alice", "triage", "gpt-4o-mini"),
        *[("bob", "shipping", "gpt-4.1")] * 2,
        ("bob", "triage", "gpt-4o-mini"),
    ]


def test_the_batch_tells_its_bad_item_and_writes_its_page(example, calls, tmp_path):
    told = example("batch_report", "report.html")
    assert "(an empty review)" in told
    assert sorted(call["request_model"] for call in calls()) == [*["gpt-4.1"] * 2, *["gpt-4o-mini"] * 3]
    assert "<title>" in (tmp_path / "report.html").read_text(encoding="utf-8")
