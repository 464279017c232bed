"""A research agent: a loop of model and tools that a budget stops before the money is gone.

    python examples/research_agent.py

The budget is held against every call before it leaves, so a loop that never ends costs no more than it says.
"""

import json

import openai

import spanwatch

MODEL = "gpt-4o-mini"
USD = "0.001"  # for each piece of research
STEPS = 40
NOTES = {
    "heat pumps": "Sold more than gas boilers in three countries last year.",
    "insulation": "Pays back within eight years in houses built before 1980.",
}
SEARCH = {
    "type": "function",
    "function": {
        "name": "search",
        "description": "Search the notes.",
        "parameters": {"type": "object", "properties": {"query": {"type": "string"}}, "required": ["query"]},
    },
}


@spanwatch.tool("search", description="Search the notes")
def search(query: str) -> list[str]:
    """The notes that have a word of the query in them."""
    words = query.lower().split()
    return [f"{topic}: {note}" for topic, note in NOTES.items() if any(word in topic for word in words)]


@spanwatch.agent("researcher")
def research(client: openai.OpenAI, question: str) -> str:
    """Ask, look up what the model wants to know, ask again; until it knows, or the money is gone."""
    messages = [{"role": "user", "content": question}]
    for _ in range(STEPS):
        reply = client.chat.completions.create(
            model=MODEL, messages=messages, tools=[SEARCH], max_completion_tokens=400
        ).choices[0]
        if not reply.message.tool_calls:
            return reply.message.content or ""
        messages.append({"role": "assistant", "tool_calls": [call.model_dump() for call in reply.message.tool_calls]})
        for call in reply.message.tool_calls:
            found = search(json.loads(call.function.arguments).get("query", ""))
            messages.append({"role": "tool", "tool_call_id": call.id, "content": json.dumps(found)})
    return "no answer within the steps"


def main() -> None:
    budget = spanwatch.Budget("research", usd=USD, per="conversation", window="lifetime")
    spanwatch.configure(service="research", budgets=[budget])
    client = openai.OpenAI()
    for number, question in enumerate(("Are heat pumps worth it?", "And insulation?", "Tell me everything."), 1):
        print(f"\n{question}")
        with spanwatch.request("research", user_id="carol", conversation_id=f"study-{number}"):
            try:
                while True:  # never content, as some agents are
                    print(f"  {research(client, question)[:60]}")
            except spanwatch.BudgetExceeded as error:
                print(f"  stopped: {error}")

    spanwatch.flush()
    print()
    print(spanwatch.report(by="agent"))


if __name__ == "__main__":
    main()
