"""Retrieval-augmented answers: embeddings, a look-up span, and an answer from what was found.

    python examples/rag.py

The trace shows which look-up an answer stands on; the report shows what embedding costs beside answering.
"""

import math
from collections.abc import Sequence

import openai

import spanwatch

CHAT, EMBEDDING = "gpt-4o-mini", "text-embedding-3-small"
PAGES = (
    "Returns are free within thirty days.",
    "Tents are waterproof to 3,000 mm; seams want a new coat of sealer every other year.",
    "Orders placed before noon leave the same day.",
    "Sleeping bags are washed at thirty degrees, without softener.",
)
Vector = Sequence[float]


def embed(client: openai.OpenAI, texts: Sequence[str]) -> list[Vector]:
    """One vector for each text."""
    return [item.embedding for item in client.embeddings.create(model=EMBEDDING, input=list(texts)).data]


def similarity(one: Vector, other: Vector) -> float:
    """The cosine of the angle between two vectors."""
    product = sum(a * b for a, b in zip(one, other, strict=True))
    return product / (math.hypot(*one) * math.hypot(*other) or 1)


@spanwatch.retrieval("help-pages", top_k=2)
def look_up(client: openai.OpenAI, index: Sequence[Vector], question: str) -> list[str]:
    """The two pages nearest to the question; the span says how many came back."""
    (wanted,) = embed(client, [question])
    ranked = sorted(range(len(PAGES)), key=lambda page: -similarity(index[page], wanted))
    return [PAGES[page] for page in ranked[:2]]


@spanwatch.agent("help")
def answer(client: openai.OpenAI, index: Sequence[Vector], question: str) -> str:
    """An answer from the pages, and from nothing else."""
    pages = look_up(client, index, question)
    messages = [
        {"role": "system", "content": "Answer from these pages only:\n" + "\n".join(pages)},
        {"role": "user", "content": question},
    ]
    reply = client.chat.completions.create(model=CHAT, messages=messages, max_completion_tokens=200)
    return reply.choices[0].message.content or ""


def main() -> None:
    spanwatch.configure(service="help-desk")
    client = openai.OpenAI()
    with spanwatch.workflow("index"):
        index = embed(client, PAGES)
    for user, question in (("alice", "Is my tent waterproof?"), ("bob", "How do I wash my sleeping bag?")):
        with spanwatch.request("question", user_id=user) as span:
            print(f"{user}: {question}\n  {answer(client, index, question)}")

    spanwatch.flush()
    print()
    print(spanwatch.report(by="model"))
    print(f"\nspanwatch trace {span.get_span_context().trace_id:032x}   shows the last one")


if __name__ == "__main__":
    main()
