"""`make demo` shows what the server really served, to the token and the nano-dollar."""

import json
import os
import re
import subprocess
import sys
from decimal import Decimal
from pathlib import Path

import pytest

from demo import agent
from demo.__main__ import ANSWERS, CALLS, most
from demo.server import DemoServer

ROOT = Path(__file__).resolve().parents[2]

# Each line's calls in the order in which they end: model, operation, status.
EXPECTED = [
    (agent.CHAT, "chat", "ok"),
    (agent.EMBEDDING, "embeddings", "ok"),
    (agent.CHAT, "chat", "ok"),  # refused once with 429, retried by the client: one call
    (agent.CHAT, "chat", "ok"),  # streamed
    (agent.REASONING, "chat", "ok"),  # Responses
    (agent.CHAT, "chat", "ok"),
    (agent.RETIRED, "chat", "error"),
    (agent.IN_HOUSE, "chat", "ok"),
    (agent.CHAT, "chat", "abandoned"),
]


def run(where, *command, **environment):
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("OPENAI_", "OTEL_", "SPANWATCH_"))}
    return subprocess.run(
        [sys.executable, "-m", *command],
        cwd=where,
        env={**clean, "PYTHONPATH": str(ROOT), **environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.fixture(scope="module")
def where(tmp_path_factory):
    """The directory in which the demo ran."""
    return tmp_path_factory.mktemp("demo")


@pytest.fixture(scope="module")
def shown(where):
    """The demo's output, the calls it stored, and the requests that the server saw."""
    with DemoServer(ANSWERS) as server:
        answer = run(where, "demo", "--server", server.base_url)
        assert answer.returncode == 0, answer.stderr
        stored = run(where, "spanwatch", "calls", "--json", SPANWATCH_HOME=str(where / ".spanwatch" / "demo"))
        return answer.stdout, [json.loads(line) for line in stored.stdout.splitlines()], server.seen


def in_order(calls):
    return sorted(calls, key=lambda call: call["started_at"])


def test_the_server_saw_one_request_more_than_there_are_calls(shown):
    _, calls, seen = shown
    assert len(calls) == len(EXPECTED)
    assert len([request for request in seen if request["path"].startswith("/v1/")]) == len(EXPECTED) + 1


def test_every_call_is_stored_with_its_model_operation_and_status(shown):
    _, calls, _ = shown
    assert [(call["request_model"], call["operation"], call["status"]) for call in in_order(calls)] == EXPECTED


def test_both_users_have_their_calls_and_conversations(shown):
    _, calls, _ = shown
    who = [(call["user_id"], call["conversation_id"], call["agent"]) for call in in_order(calls)]
    assert who == [("alice", "t-17", None)] * 2 + [("alice", "t-17", "orders")] * 2 + [("bob", "t-18", "refunds")] * 5


def test_usage_is_what_the_server_answered_and_unknown_where_nobody_said(shown):
    _, calls, _ = shown
    by_status = {call["status"]: call for call in calls}
    assert by_status["abandoned"]["usage"] is None
    assert by_status["error"]["usage"] is None
    for call in calls:
        if call["status"] == "ok" and call["operation"] == "chat":
            assert call["usage"]["input_tokens"] == ANSWERS.prompt_tokens
            assert call["usage"]["cache_read_tokens"] == ANSWERS.cached_tokens
            assert call["usage"]["output_tokens"] == ANSWERS.completion_tokens


def test_the_model_of_our_own_is_unpriced_with_the_reason(shown):
    _, calls, _ = shown
    (ours,) = [call for call in calls if call["request_model"] == agent.IN_HOUSE]
    assert (ours["cost_usd"], ours["cost_status"], ours["cost_reason"]) == (None, "unknown", "no_price")


def test_the_summary_adds_up_to_the_stored_calls(shown):
    text, calls, _ = shown
    summary = text.split("$ spanwatch report")[1]
    total = sum(Decimal(call["cost_usd"]) for call in calls if call["cost_usd"] is not None)
    shown_cost = Decimal(re.search(r"\$(\d+\.\d+)", summary)[1])
    assert shown_cost == total.quantize(shown_cost)
    assert re.search(rf"\b{len(calls)}\b", summary)
    assert "no_price" in summary
    assert "no_usage" in summary


def test_the_trees_show_agents_tools_and_calls(shown):
    text, _, _ = shown
    first, second = text.split("$ spanwatch report")[0].split("$ spanwatch trace ")[1:]
    for name in (
        "invoke_workflow ticket",
        "invoke_agent orders",
        "execute_tool order_status",
        "execute_tool delivery_forecast",
    ):
        assert name in first
    for name in (
        "invoke_agent refunds",
        "execute_tool issue_refund",
        f"chat {agent.RETIRED}",
        f"chat {agent.IN_HOUSE}",
    ):
        assert name in second


def test_it_ends_with_three_commands_that_work(shown, where):
    text, _, _ = shown
    commands = re.findall(r"^  \S*/spanwatch (.+)$", text.split("Look further:")[1], re.MULTILINE)
    assert len(commands) == 3
    for command in commands:
        answer = run(where, "spanwatch", *command.split(), SPANWATCH_HOME=str(where / ".spanwatch" / "demo"))
        assert answer.returncode == 0, (command, answer.stderr)


def test_with_a_key_it_would_say_what_it_may_cost():
    assert set(CALLS) == {agent.CHAT, agent.REASONING, agent.EMBEDDING}
    assert Decimal("0.01") <= most() <= Decimal("0.05")
