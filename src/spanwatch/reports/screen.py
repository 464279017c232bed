"""What text may look like: how wide, in colour or not, in which characters."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

Style = Literal["", "bold", "dim", "red", "yellow", "cyan"]
MOST_CELLS = 120  # of one piece of foreign text, where no terminal says how wide it is
_CODES = {"bold": "1", "dim": "2", "red": "31", "yellow": "33", "cyan": "36"}


@dataclass(frozen=True, slots=True)
class Screen:
    """Where text goes. `width` is None where nobody looks at it (a pipe, a file): then nothing is cut to fit."""

    width: int | None = None
    colour: bool = False
    unicode: bool = True

    def style(self, text: str, style: Style) -> str:
        """The text in a style, or as it is."""
        return f"\x1b[{_CODES[style]}m{text}\x1b[0m" if style and self.colour and text else text


def cells(text: str) -> int:
    """How many columns a terminal gives to clean text."""
    return len(text) if text.isascii() else sum(map(_cells, text))


def fit(text: str, room: int, *, unicode: bool = True) -> str:
    """Clean text in at most `room` columns; what is cut off is said by an ellipsis."""
    if cells(text) <= room:
        return text
    mark = "…" if unicode else "..."
    left, kept = max(room - len(mark), 0), []
    for character in text:
        left -= _cells(character)
        if left < 0:
            break
        kept.append(character)
    return ("".join(kept) + mark)[: max(room, 1)]


@lru_cache(4096)
def _cells(character: str) -> int:
    if unicodedata.combining(character) or unicodedata.category(character) in {"Mn", "Me"}:
        return 0
    return 2 if unicodedata.east_asian_width(character) in {"W", "F"} else 1
