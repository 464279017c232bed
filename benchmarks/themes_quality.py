"""How well offline themes match labels that people gave: python -m benchmarks.themes_quality.

The labelled set was written for this project; so were the hints, by the same hand. The line without hints is what to
expect of comments about things that the hints do not know.
"""

from __future__ import annotations

from benchmarks.agreement import mutual_information, purity
from benchmarks.comments import labelled
from spanwatch.core.feedback.themes import themes


def quality(items: list[tuple[str, str]], *, hints: bool) -> tuple[float, float, int, int]:
    """Purity, NMI, themes and comments of no theme; those count as one more cluster."""
    found = themes([(str(number), text) for number, (text, _) in enumerate(items)], hints=hints, most=len(items))
    cluster = {id_: number for number, theme in enumerate(found.themes) for id_ in theme.ids}
    clusters = [cluster.get(str(number), -1) for number in range(len(items))]
    labels = [label for _, label in items]
    return purity(labels, clusters), mutual_information(labels, clusters), len(found.themes), len(found.others)


def main() -> None:
    """Print the figures."""
    everything = labelled()
    english = [(text, label) for text, label in everything if text.encode("ascii", "ignore").decode() == text]
    for name, items in (("all languages", everything), ("plain ASCII", english)):
        for hints in (True, False):
            pure, shared, count, others = quality(items, hints=hints)
            with_hints = "with hints" if hints else "without hints"
            print(
                f"{name}, {with_hints}: {len(items)} comments, {len({label for _, label in items})} labels: "
                f"purity {pure:.2f}, NMI {shared:.2f}, {count} themes, {others} comments of none"
            )


if __name__ == "__main__":
    main()
