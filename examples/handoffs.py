"""Agents that hand work to each other: a triage agent picks a specialist, specialists work at the same time.

    python examples/handoffs.py

Each agent's calls, tools, cost and errors are its own, whoever called it; the workflow has the sum.
"""

import asyncio
import json

import openai

import spanwatch

TRIAGE, SPECIALIST = "gpt-4o-mini", "gpt-4.1"
ROUTE = {
    "type": "function",
    "function": {
        "name": "hand_over",
        "description": "Hand the ticket to a specialist.",
        "parameters": {
            "type": "object",
            "properties": {"to": {"type": "string", "enum": ["billing", "shipping"]}},
            "required": ["to"],
        },
    },
}


class CarrierSilentError(Exception):
    """The system a tool needs does not answer."""


@spanwatch.tool("ledger")
async def ledger(order: str) -> dict[str, str]:
    """What was paid for an order."""
    await asyncio.sleep(0.01)
    return {"order": order, "paid": "89.00"}


@spanwatch.tool("tracking")
async def tracking(order: str) -> dict[str, str]:
    """Where a parcel is; the carrier is away on purpose."""
    raise CarrierSilentError(f"the carrier does not answer for order {order}")


async def ask(client: openai.AsyncOpenAI, model: str, text: str, **options: object) -> openai.types.chat.ChatCompletion:
    """One chat completion."""
    messages = [{"role": "user", "content": text}]
    return await client.chat.completions.create(model=model, messages=messages, max_completion_tokens=200, **options)


@spanwatch.agent("triage")
async def triage(client: openai.AsyncOpenAI, ticket: str) -> str:
    """The specialist for a ticket; billing where the model picks none."""
    reply = (await ask(client, TRIAGE, ticket, tools=[ROUTE])).choices[0].message
    for call in reply.tool_calls or ():
        to = json.loads(call.function.arguments).get("to")
        if to in SPECIALISTS:
            return to
    return "billing"


@spanwatch.agent("billing")
async def billing(client: openai.AsyncOpenAI, ticket: str) -> str:
    """An answer about money."""
    paid = await ledger("1042")
    reply = await ask(client, SPECIALIST, f"{ticket}\nLedger: {json.dumps(paid)}")
    return reply.choices[0].message.content or ""


@spanwatch.agent("shipping")
async def shipping(client: openai.AsyncOpenAI, ticket: str) -> str:
    """An answer about parcels, also when the carrier is silent."""
    try:
        where = json.dumps(await tracking("1042"))
    except CarrierSilentError:
        where = "unknown, the carrier does not answer"
    reply = await ask(client, SPECIALIST, f"{ticket}\nParcel: {where}")
    return reply.choices[0].message.content or ""


SPECIALISTS = {"billing": billing, "shipping": shipping}


@spanwatch.workflow("ticket")
async def handle(client: openai.AsyncOpenAI, ticket: str) -> str:
    """Triage, the chosen specialist, and shipping beside it, which every ticket wants to know of."""
    chosen = await triage(client, ticket)
    async with asyncio.TaskGroup() as group:
        first = group.create_task(SPECIALISTS[chosen](client, ticket))
        group.create_task(shipping(client, ticket))
    return f"{chosen}: {first.result()}"


async def work() -> None:
    """Two tickets at once."""
    async with openai.AsyncOpenAI() as client:

        async def one(user: str, ticket: str) -> None:
            with spanwatch.request("ticket", user_id=user):
                print(f"{user}: {ticket}\n  {await handle(client, ticket)}")

        await asyncio.gather(one("alice", "I was charged twice."), one("bob", "Where is my parcel?"))


def main() -> None:
    spanwatch.configure(service="desk")
    asyncio.run(work())
    spanwatch.flush()
    print()
    print(spanwatch.report(by="agent"))


if __name__ == "__main__":
    main()
