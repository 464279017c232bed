"""A busy support desk for the pictures: python docs/pictures/scene.py SERVICE HOME SECONDS, against a demo server.

Requests of a few users go to agents, which call models and tools; some fail, some are slow, some users rate. The same
numbers are drawn from the same seed.
"""

from __future__ import annotations

import contextlib
import json
import random
import sys
import threading
import time

import openai

import spanwatch

MODELS = (("gpt-4o-mini", 6), ("gpt-5-mini", 3), ("gpt-4o", 1))
AGENTS = ("orders", "refunds", "recommendations")
TOOLS = {"orders": ("order_status", "delivery_forecast"), "refunds": ("issue_refund",), "recommendations": ("search",)}
USERS = ("alice", "bob", "carol", "dave", "erin")
COMMENTS = ("far too slow", "wrong order", "it was slow again", "did not answer my question", "slow, slow, slow")
CUE = "X-Demo"


def main() -> None:
    """Work for so long."""
    service, home, seconds = sys.argv[1], sys.argv[2], float(sys.argv[3])
    spanwatch.configure(
        service=service,
        home=home,
        providers={"127.0.0.1": "openai"},
        live_interval=1,
        budgets=[
            spanwatch.Budget("per-user", "0.12", per="user", mode="warn"),
            spanwatch.Budget("all-users", 2, mode="warn"),
        ],
    )
    client = openai.OpenAI(max_retries=0)
    until = time.monotonic() + seconds
    threads = [threading.Thread(target=_work, args=(client, random.Random(n), until)) for n in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    spanwatch.shutdown()


def _work(client: openai.OpenAI, chance: random.Random, until: float) -> None:
    while time.monotonic() < until:
        with contextlib.suppress(openai.APIError, TimeoutError):
            _request(client, chance)
        time.sleep(chance.uniform(0.05, 0.4))


def _request(client: openai.OpenAI, chance: random.Random) -> None:
    agent, user = chance.choice(AGENTS), chance.choice(USERS)
    with spanwatch.request("ticket", user_id=user, app_version=chance.choice(("2.0", "2.1"))) as scope:
        try:
            with spanwatch.agent(agent):
                _agent(client, chance, agent)
        finally:
            if chance.random() < 0.3:
                low = chance.random() < 0.3
                rating, comment = (
                    (chance.choice((1, 2)), chance.choice(COMMENTS)) if low else (chance.choice((4, 5)), None)
                )
                spanwatch.feedback(scope, rating=rating, comment=comment)


def _agent(client: openai.OpenAI, chance: random.Random, agent: str) -> None:
    for _ in range(chance.choice((1, 1, 2, 3))):
        model = chance.choices([name for name, _ in MODELS], [weight for _, weight in MODELS])[0]
        if chance.random() < 0.05:
            model = "acme-support-2"
        cue = {
            "latency": chance.lognormvariate(-1.8, 0.6),
            "prompt_tokens": chance.randrange(800, 6000),
            "cached_tokens": chance.choice((0, 640)),
            "completion_tokens": chance.randrange(40, 400),
            **({"status": 429} if chance.random() < 0.03 else {}),
        }
        stream = chance.random() < 0.4
        answer = client.chat.completions.create(
            model=model,
            messages=[{"role": "user", "content": "?"}],
            stream=stream,
            extra_headers={CUE: json.dumps(cue)},
        )
        if stream:
            for _piece in answer:
                pass
    with spanwatch.tool(chance.choice(TOOLS[agent])):
        time.sleep(chance.uniform(0.002, 0.05))
        if chance.random() < 0.04:
            raise TimeoutError("the back end does not answer")


if __name__ == "__main__":
    main()
