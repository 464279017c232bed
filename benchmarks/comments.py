"""The labelled comments, and as many more of their kind as are wanted."""

from __future__ import annotations

import json
import random
from pathlib import Path

LABELLED = Path(__file__).resolve().parent.parent / "tests" / "core" / "feedback" / "labelled_comments.json"


def labelled() -> list[tuple[str, str]]:
    """Every labelled comment: (text, label)."""
    found = json.loads(LABELLED.read_text(encoding="utf-8"))
    return [(text, label) for label, texts in found.items() for text in texts]


def comments(count: int, seed: int = 8) -> list[str]:
    """Comments that are all different: two halves of labelled ones, and words that occur once or seldom."""
    rng, texts = random.Random(seed), [text for text, _ in labelled()]
    return [f"{rng.choice(texts)} {rng.choice(texts)} word{rng.randrange(count)}" for _ in range(count)]
