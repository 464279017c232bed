"""`make demo`: run the support desk of agent.py under spanwatch, then look at what it did and what it cost."""

from __future__ import annotations

import argparse
import contextlib
import os
import shutil
import sys
from collections.abc import Iterator
from decimal import ROUND_UP, Decimal
from pathlib import Path

import openai

import spanwatch
from demo import agent
from demo.server import Config, DemoServer, cue
from spanwatch.cli.main import main as command_line

# The demo server stands in for OpenAI's. A host of one's own says whose models it serves, or prices are approximate.
HOSTS = {"127.0.0.1": "openai"}
HOME = Path(".spanwatch") / "demo"
ANSWERS = Config(
    response_suffix="",
    prompt_tokens=1240,
    cached_tokens=1024,
    cache_write_tokens=0,
    completion_tokens=86,
    reasoning_tokens=0,
)

CALLS = {agent.CHAT: 5, agent.REASONING: 1, agent.EMBEDDING: 1}  # what a real API would bill


def main() -> int:
    """Both tickets, then the trace tree, the summary and what to try next."""
    parser = argparse.ArgumentParser(prog="python -m demo", description=__doc__)
    parser.add_argument("--server", help="base URL of a demo server that runs already; otherwise one is started")
    with desk(parser.parse_args().server) as where:
        shutil.rmtree(HOME, ignore_errors=True)
        spanwatch.configure(service="support-desk", home=HOME, providers=HOSTS)
        traces = [ticket(where) for ticket in (agent.where_is_my_order, agent.i_want_my_money_back)]
        spanwatch.shutdown()
    os.environ["SPANWATCH_HOME"] = str(HOME)
    for root in traces:
        show("trace", f"{root.get_span_context().trace_id:032x}")
    show("report")
    bin_directory = Path(sys.executable).parent
    with contextlib.suppress(ValueError):
        bin_directory = bin_directory.relative_to(Path.cwd())
    print(NEXT.format(home=HOME, bin=bin_directory))
    return 0


@contextlib.contextmanager
def desk(url: str | None) -> Iterator[agent.Desk]:
    """The real API when there is a key, else a demo server on this machine."""
    if os.environ.get("OPENAI_API_KEY") and url is None:
        print(f"OPENAI_API_KEY is set: this asks the real API ({', '.join(CALLS)})", end=" ")
        print(f"and costs at most ${most()}. Without the key a demo server on this machine answers.\n")
        yield agent.Desk(openai.OpenAI(), lambda **_: {})
        return
    with contextlib.ExitStack() as stack:
        base_url = url or stack.enter_context(DemoServer(ANSWERS)).base_url
        print(f"OPENAI_API_KEY is not set: a demo server on this machine answers ({base_url}), at no cost.\n")
        client = openai.OpenAI(base_url=base_url, api_key="demo")
        yield agent.Desk(client, cue)


def most() -> Decimal:
    """An upper bound in dollars: as if every call had the longest conversation and the longest answer."""
    usage = spanwatch.Usage(input_tokens=2000, output_tokens=agent.MAX_TOKENS)
    costs = [
        count * (spanwatch.price(usage, provider="openai", model=model).usd or 0) for model, count in CALLS.items()
    ]
    return sum(costs, Decimal(0)).quantize(Decimal("0.01"), rounding=ROUND_UP)


def show(*arguments: str) -> None:
    """Run one of spanwatch's own commands, as anyone would."""
    print(f"\n$ spanwatch {' '.join(arguments)}", flush=True)
    command_line(arguments)


NEXT = """
Kept in {home}. Look further:
  export SPANWATCH_HOME={home}
  {bin}/spanwatch report --by user
  {bin}/spanwatch calls --json
  {bin}/spanwatch price --provider openai --model gpt-4o-mini --input 1240 --cached 1024 --output 86"""

if __name__ == "__main__":
    sys.exit(main())
