"""A user's program that does a bit of everything, run as a child process; says its trace ids as JSON.

With the word `faults` its ledger is away, its collector refuses what is large, it waits until what another process left
behind is delivered, and then its journal breaks. With `fails` its last request fails. With `stays` it goes on, failures
included, until a line is written to it.
"""

import contextlib
import json
import random
import select
import shutil
import sys
import time
from pathlib import Path

import openai
from opentelemetry import trace

import spanwatch
from spanwatch.otel.setup import INSTANCE

SECRET_KEY = "sk-" + "proj4Zq8WmT2xLr9VbN6cYd1"
SECRET_MAIL = "alice.planted@example.com"
PROMPT = "the planted prompt: where is order 1042?"
ANSWER = "the planted answer: on Friday."
USER = "user-7"
LIMIT_USD = 100
BUDGETS = (
    spanwatch.Budget("each-user", LIMIT_USD, per="user"),
    spanwatch.Budget("shut", "0.000001", match={"model": "gpt-4.1"}, window="lifetime"),
)
LETTERS = "abcdefghij \n"  # nothing of them looks like a secret, which would be replaced and be small
NOBODY = "redis://127.0.0.1:9"


def main() -> None:
    base_url, service, home, repeats, *more = sys.argv[1:]
    host = base_url.split("//")[1].split(":")[0]
    ledger = NOBODY if "faults" in more else None
    spanwatch.configure(
        service=service, home=home, providers={host: "openai"}, live_interval=1, budgets=BUDGETS, ledger=ledger
    )
    client = openai.OpenAI(base_url=base_url, api_key="demo", max_retries=0)
    traces = [one(client) for _ in range(int(repeats))]
    if "faults" in more:
        say_too_much()
        until_resumed()
        break_journal(Path(home))
        traces.append(one(client))
    if "fails" in more:
        fail()
    if "stays" in more:
        stay(client)
    told = spanwatch.flush()
    spanwatch.shutdown()
    sys.stdout.write(json.dumps({"traces": traces, "flushed": str(told)}) + "\n")


def fail() -> None:
    """A request that fails."""
    with contextlib.suppress(ValueError), spanwatch.request("ticket"), spanwatch.agent("planner"):
        raise ValueError("the desk is closed")


def stay(client: openai.OpenAI) -> None:
    """Go on until somebody writes a line, or has gone."""
    while not select.select([sys.stdin], [], [], 0.2)[0]:
        one(client)
        fail()


def say_too_much() -> None:
    """A span larger than the collector of the faults takes."""
    with spanwatch.tool("verbose"):
        for number in range(4):
            trace.get_current_span().set_attribute(f"noise.{number}", "".join(random.choices(LETTERS, k=120_000)))


def until_resumed() -> None:
    """Wait until something of a process before us was delivered, and what is too large was given up."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        accounts = INSTANCE.runtime.delivery.accounts()
        if any(account.resumed for account in accounts) and any(account.dropped for account in accounts):
            return
        time.sleep(0.1)
    raise TimeoutError(str(accounts))


def break_journal(home: Path) -> None:
    """Nothing can be written there any more, as on a full disk."""
    shutil.rmtree(home / "journal")
    (home / "journal").write_text("", encoding="utf-8")
    time.sleep(0.1)


def one(client: openai.OpenAI) -> str:
    log = spanwatch.AgentLogger("planner")
    with spanwatch.request("ticket", user_id=USER, conversation_id="c-1", app_version="2.1") as scope:
        with spanwatch.workflow("triage"), spanwatch.agent("planner"):
            log.request(PROMPT, data={"order": 1042, "api_key": SECRET_KEY})
            chat(client, PROMPT)
            for piece in chat(client, PROMPT, stream=True):
                del piece
            client.responses.create(model="gpt-5-mini", input=PROMPT)
            client.embeddings.create(model="text-embedding-3-small", input=PROMPT)
            with spanwatch.tool("lookup", call_id="call_1"):
                span = trace.get_current_span()
                span.add_event("looked up", {"rows": 3, "cache": False, "shelf": "b"})
                span.record_exception(KeyError("not on this shelf"))
                span.set_attribute("planted.api_key", SECRET_KEY)
                span.set_attribute("planted.note", f"ask {SECRET_MAIL} or use {SECRET_KEY}")
                span.set_attribute("list", ["a", "b"])
                time.sleep(0.002)
            with spanwatch.retrieval("faq", top_k=3):
                pass
            with contextlib.suppress(openai.NotFoundError):
                chat(client, PROMPT, extra_headers={"X-Demo": json.dumps({"status": 404})})
            chat(client, PROMPT, model="acme-in-house")
            with contextlib.suppress(spanwatch.BudgetExceeded):
                chat(client, PROMPT, model="gpt-4.1")
            with contextlib.suppress(ValueError), spanwatch.tool("broken"):
                raise ValueError("the shelf is empty")
            log.response(ANSWER)
        del scope
        with trace.get_tracer("somebody-else").start_as_current_span("think", attributes={"gen_ai.thought.depth": 3}):
            pass
        span = trace.get_current_span()
        spanwatch.feedback(span, rating=5, user_id=USER)
        spanwatch.feedback(span, label="down", comment=f"{PROMPT} ask {SECRET_MAIL}")
        return f"{span.get_span_context().trace_id:032x}"


def chat(client, text, model="gpt-4o-mini", **more):
    return client.chat.completions.create(model=model, messages=[{"role": "user", "content": text}], **more)


if __name__ == "__main__":
    main()
