"""A batch job on a pool of threads, with a report of what it cost in the end, as text and as a page to send.

    python examples/batch_report.py [REPORT.html]

Bad items fail on their own; the cheap model does most of the work and the dear one what is long.
"""

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import openai

import spanwatch

CHEAP, DEAR = "gpt-4o-mini", "gpt-4.1"
LONG = 60  # characters
REVIEWS = (
    "Great tent.",
    "The zip broke on the second day, and nobody answered my three letters about it since.",
    "",
    "Warm and light.",
    "Arrived late, but the driver was so kind to carry it up to the fourth floor for my mother.",
    "Would buy again.",
)


@spanwatch.agent("summariser")
def summarise(client: openai.OpenAI, review: str) -> str:
    """A review in five words.

    Raises:
        ValueError: there is nothing in it.
    """
    if not review:
        raise ValueError("an empty review")
    reply = client.chat.completions.create(
        model=DEAR if len(review) > LONG else CHEAP,
        messages=[{"role": "user", "content": f"In five words: {review}"}],
        max_completion_tokens=20,
    )
    return reply.choices[0].message.content or ""


def one(client: openai.OpenAI, number: int, review: str) -> str:
    """An item of the batch; what fails is told and does not stop the others."""
    with spanwatch.request("review", user_id=f"shop-{number % 2 + 1}", tags=["batch"]):
        try:
            return summarise(client, review)
        except ValueError as error:
            return f"({error})"


def main() -> None:
    spanwatch.configure(service="reviews")
    client = openai.OpenAI()
    with ThreadPoolExecutor(4) as pool:
        for summary in pool.map(lambda item: one(client, *item), enumerate(REVIEWS)):
            print(f"  {summary}")

    spanwatch.flush()
    print()
    print(spanwatch.report(by="model"))
    if len(sys.argv) > 1:
        page = ["report", "--html", sys.argv[1]]
        subprocess.run([sys.executable, "-m", "spanwatch", *page], check=True)


if __name__ == "__main__":
    main()
