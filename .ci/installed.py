"""A user's program, run by .ci/run on the installed wheel alone: prices, captures and keeps a call."""

import sys
from decimal import Decimal
from pathlib import Path

import openai

import spanwatch
from spanwatch.testing import capture

MESSAGES = [{"role": "user", "content": "Where is my order?"}]


def main() -> None:
    """Exits with an error at the first thing that is not as documented."""
    assert Path(spanwatch.__file__).is_relative_to(sys.prefix), spanwatch.__file__
    cost = spanwatch.price(
        spanwatch.Usage(input_tokens=1000, output_tokens=100), provider="openai", model="gpt-4o-mini"
    )
    assert cost.usd == Decimal("0.00021"), cost
    client = openai.OpenAI(base_url=sys.argv[1], api_key="demo")
    with capture() as captured:
        client.chat.completions.create(model="gpt-4o-mini", messages=MESSAGES)
        (call,) = captured.calls
    assert call.status == "ok", call
    assert call.cost is not None and call.cost.usd > 0, call
    print(f"spanwatch {spanwatch.__version__}: one captured call, ${call.cost.usd}")


main()
