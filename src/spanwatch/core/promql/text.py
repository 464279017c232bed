"""The words of an expression and where they stand: limits, and what is refused, before anything is parsed.

The time this takes is linear in the text's length, which is bounded.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from spanwatch.core.errors import ExpressionError

MAX_LENGTH = 4_096
MAX_DEPTH = 40
MAX_OPERATORS = 150
MAX_WORDS = 1_000

_WORD = re.compile(
    r"""(?P<space>[\s]+|\#[^\n]*)
    |(?P<string>"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*'|`[^`]*`)
    |(?P<number>0[xX][0-9a-fA-F_]+|(?:\d+(?:ms|[smhdwy]))+|(?:\d[\d_]*\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)
    |(?P<name>[a-zA-Z_:][a-zA-Z0-9_:]*)
    |(?P<mark>=~|!~|==|!=|>=|<=|[-+*/%^=<>@,:(){}\[\]])""",
    re.VERBOSE,
)
_OPENING, _CLOSING = "([{", {")": "(", "]": "[", "}": "{"}
_SIGNS = frozenset({"+", "-", "*", "/", "%", "^", "==", "!=", ">", "<", ">=", "<="})
_SETS = frozenset({"and", "or", "unless", "atan2"})


@dataclass(frozen=True, slots=True)
class Word:
    """One word: its kind, its text, where it begins, and the brackets around it, from the outside in."""

    kind: str
    text: str
    at: int
    inside: str


def words(text: str) -> list[Word]:
    """The words of an expression within the limits.

    Raises:
        ExpressionError: it is empty, too long, too deep, has too many operators, or a character or bracket is wrong.
    """
    if len(text) > MAX_LENGTH:
        raise ExpressionError(
            f"the expression has {len(text):,} characters, and {MAX_LENGTH:,} is the limit: make several rules of it"
        )
    found, open_at = [], list[int]()
    operators = 0
    for word in _scanned(text, open_at):
        found.append(word)
        operators += word.text in (_SIGNS | _SETS)
        if len(word.inside) > MAX_DEPTH:
            raise refusal(text, word.at, f"brackets are {MAX_DEPTH} deep at most: take the inner part apart")
        if len(found) > MAX_WORDS:
            raise refusal(text, word.at, f"an expression has {MAX_WORDS:,} words at most: make several rules")
        if operators > MAX_OPERATORS:
            raise refusal(text, word.at, f"an expression has {MAX_OPERATORS} operators at most: make several rules")
    if not found:
        raise ExpressionError("the expression is empty: write PromQL, such as sum(rate(spanwatch_calls_total[5m])) > 1")
    if open_at:
        raise refusal(text, open_at[-1], f"this {text[open_at[-1]]} is never closed")
    return found


def _scanned(text: str, open_at: list[int]) -> Iterator[Word]:
    at = 0
    while at < len(text):
        found = _WORD.match(text, at)
        if found is None:
            hint = "close the string" if text[at] in "\"'`" else "take it out"
            raise refusal(text, at, f"{text[at]!r} is no part of PromQL here: {hint}")
        kind, part = found.lastgroup or "", found.group()
        if part in _CLOSING:
            if not open_at or text[open_at[-1]] != _CLOSING[part]:
                raise refusal(text, at, f"this {part} closes nothing")
            open_at.pop()
        inside = "".join(text[each] for each in open_at)
        if kind != "space":
            yield Word(kind, part, at, inside)
        if kind == "mark" and part in _OPENING:
            open_at.append(at)
        at = found.end()


def refusal(text: str, at: int, what: str) -> ExpressionError:
    """The error that names the place."""
    line, before = text.count("\n", 0, at) + 1, text.rfind("\n", 0, at)
    place = f"column {at - before}" if line == 1 else f"line {line}, column {at - before}"
    around = " ".join(text[max(0, at - 20) : at + 20].split())
    return ExpressionError(f"{place}, near {around!r}: {what}", position=at)


def called(found: Sequence[Word]) -> Iterator[Word]:
    """The names that a parenthesis follows: functions and aggregations, and `by`, `on` and their like."""
    for word, after in pairwise(found):
        if word.kind == "name" and after.text == "(" and not word.inside.endswith("{"):
            yield word


def ranges(found: Sequence[Word]) -> Iterator[Word]:
    """The opening bracket of each range, in the order in which they stand."""
    return (word for word in found if word.text == "[")
