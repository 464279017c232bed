"""A support bot: who asks rides along, answers stream, and users rate what they got.

    python examples/support_bot.py

One request per question, one conversation per customer. The rating goes to the trace of the answer it is about.
"""

import openai

import spanwatch

MODEL = "gpt-4o-mini"
DESK = {"role": "system", "content": "You answer for a camping shop, in two sentences at most."}
TICKETS = (
    ("alice", "Where is my order 1042?", 5, "Quick and right, thank you!"),
    ("bob", "My tent leaks. What now?", 2, "It took too long and did not help."),
    ("alice", "Can I change the address?", 4, None),
)


@spanwatch.agent("support")
def answer(client: openai.OpenAI, question: str) -> str:
    """The model's answer, printed while it comes."""
    messages = [DESK, {"role": "user", "content": question}]
    stream = client.chat.completions.create(model=MODEL, messages=messages, max_completion_tokens=200, stream=True)
    words = []
    for chunk in stream:
        for choice in chunk.choices:
            words.append(choice.delta.content or "")
            print(words[-1], end="", flush=True)
    print()
    return "".join(words)


def main() -> None:
    spanwatch.configure(service="support-bot")
    client = openai.OpenAI()
    for user, question, rating, comment in TICKETS:
        print(f"\n{user}: {question}")
        with spanwatch.request("ticket", user_id=user, conversation_id=f"desk-{user}", app_version="1.4") as span:
            answer(client, question)
        spanwatch.feedback(span, rating=rating, comment=comment)

    spanwatch.flush()
    said = spanwatch.FeedbackCollector()
    print(f"\nlow ratings: {[(rating.rating, rating.comment) for rating in said.low()]}")
    print(spanwatch.report(by="user"))


if __name__ == "__main__":
    main()
