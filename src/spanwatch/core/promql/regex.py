"""Regular expressions of label matchers: anchored, in the syntax of RE2, and matched in linear time.

Python's own would take exponential time on some patterns, and who writes a rule may be less trusted than the process.
A pattern becomes a nondeterministic automaton whose states are walked together, one character at a time.
"""

from __future__ import annotations

import re
import string
from collections.abc import Callable
from dataclasses import dataclass

MAX_LENGTH = 1_000
MAX_STATES = 2_000
MAX_DEPTH = 50
MAX_VALUE = 4_096  # characters of a label's value that are looked at
_LITERAL = re.compile(r"[\w \-/:;,@#%&=<>!~'\"]*")
_CLASSES: dict[str, Callable[[str], bool]] = {
    "d": lambda c: c in string.digits,
    "w": lambda c: c in string.ascii_letters + string.digits + "_",
    "s": lambda c: c in "\t\n\f\r ",
}
_NAMED = {
    "alpha": string.ascii_letters,
    "digit": string.digits,
    "alnum": string.ascii_letters + string.digits,
    "upper": string.ascii_uppercase,
    "lower": string.ascii_lowercase,
    "punct": string.punctuation,
    "space": " \t\n\r\v\f",
    "word": string.ascii_letters + string.digits + "_",
    "xdigit": string.hexdigits,
}
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "f": "\f", "v": "\v", "a": "\a"}
Test = Callable[[str], bool]


class Unsupported(ValueError):  # noqa: N818 (what the pattern is)
    """The pattern is wrong, or uses what is left out here; the text says which."""


@dataclass(slots=True)
class _State:
    """Goes to `next` on a character that passes, or without one to both of `free`."""

    test: Test | None
    next: int
    free: tuple[int, ...]


class Pattern:
    """A pattern that a whole value has to match."""

    __slots__ = ("_choices", "_seen", "_start", "_states", "source")

    def __init__(self, source: str) -> None:
        if len(source) > MAX_LENGTH:
            raise Unsupported(f"it has {len(source):,} characters, and {MAX_LENGTH:,} are the limit")
        self.source = source
        parts = source.split("|")
        self._choices = frozenset(parts) if all(map(_LITERAL.fullmatch, parts)) else None
        self._states: list[_State] = []
        self._start = 0
        self._seen: dict[str, bool] = {}
        if self._choices is None:
            self._start = _Builder(source, self._states).built()

    def matches(self, value: str) -> bool:
        """Whether all of `value` matches."""
        if self._choices is not None:
            return value in self._choices
        known = self._seen.get(value)
        if known is None:
            if len(self._seen) >= 1_024:
                self._seen.clear()
            known = self._seen[value] = self._walk(value[:MAX_VALUE])
        return known

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Pattern) and other.source == self.source

    def __hash__(self) -> int:
        return hash(self.source)

    def _walk(self, value: str) -> bool:
        current = self._reached([self._start])
        for character in value:
            tests = ((state.test, state.next) for state in map(self._states.__getitem__, current))
            current = self._reached([after for test, after in tests if test is not None and test(character)])
            if not current:
                return False
        return 0 in current

    def _reached(self, places: list[int]) -> set[int]:
        found: set[int] = set()
        while places:
            at = places.pop()
            if at not in found:
                found.add(at)
                places.extend(self._states[at].free)
        return found


class _Builder:
    """Builds the automaton from its end to its beginning; state 0 is the end."""

    def __init__(self, source: str, states: list[_State]) -> None:
        self._text, self._at, self._states = source, 0, states
        self._fold = self._dot_all = False
        self._depth = 0

    def built(self) -> int:
        self._add(_State(None, 0, ()))
        tree = self._alternatives()
        if self._at < len(self._text):
            raise Unsupported("a ) too many")
        return tree(0)

    def _add(self, state: _State) -> int:
        if len(self._states) >= MAX_STATES:
            raise Unsupported(f"it is too large: repetitions multiply, and {MAX_STATES:,} states are the limit")
        self._states.append(state)
        return len(self._states) - 1

    def _alternatives(self) -> Callable[[int], int]:
        branches = [self._sequence()]
        while self._peek() == "|":
            self._at += 1
            branches.append(self._sequence())
        if len(branches) == 1:
            return branches[0]
        return lambda after: self._add(_State(None, 0, tuple(branch(after) for branch in branches)))

    def _sequence(self) -> Callable[[int], int]:
        parts: list[Callable[[int], int]] = []
        while self._peek() not in {"", "|", ")"}:
            parts.append(self._repeated(self._atom()))

        def build(after: int) -> int:
            for part in reversed(parts):
                after = part(after)
            return after

        return build

    def _repeated(self, atom: Callable[[int], int]) -> Callable[[int], int]:
        while (mark := self._peek()) and mark in "*+?{":
            if mark == "{":
                counts = self._counts()
                if counts is None:
                    return atom
                low, high = counts
            else:
                self._at += 1
                low, high = {"*": (0, None), "+": (1, None), "?": (0, 1)}[mark]
            if self._peek() == "?":  # lazy: a whole match is the same
                self._at += 1
            elif self._peek() and self._peek() in "*+":
                raise Unsupported("two repetitions after each other")
            atom = self._times(atom, low, high)
        return atom

    def _counts(self) -> tuple[int, int | None] | None:
        found = re.compile(r"\{(\d{1,4})(,(\d{1,4})?)?\}").match(self._text, self._at)
        if found is None:
            return None
        self._at = found.end()
        low = int(found[1])
        high = low if found[2] is None else None if found[3] is None else int(found[3])
        if low > 1_000 or (high is not None and (high > 1_000 or high < low)):
            raise Unsupported("a repetition goes up to 1000")
        return low, high

    def _times(self, atom: Callable[[int], int], low: int, high: int | None) -> Callable[[int], int]:
        def build(after: int) -> int:
            if high is None:
                loop = self._add(_State(None, 0, ()))
                self._states[loop].free = (atom(loop), after)
                after = loop
            else:
                end = after
                for _ in range(high - low):
                    after = self._add(_State(None, 0, (atom(after), end)))
            for _ in range(low):
                after = atom(after)
            return after

        return build

    def _atom(self) -> Callable[[int], int]:
        mark = self._next()
        if mark == "(":
            return self._group()
        if mark == "[":
            return self._one(self._class())
        if mark == ".":
            dot_all = self._dot_all
            return self._one(lambda c: dot_all or c != "\n")
        if mark == "\\":
            return self._escape()
        if mark in "^$":
            return self._edge(mark)
        if mark in "*+?":
            raise Unsupported(f"{mark} repeats nothing")
        return self._one(self._same(mark))

    def _edge(self, mark: str) -> Callable[[int], int]:
        first, last = self._at == 1, self._at == len(self._text)
        if (mark == "^" and first) or (mark == "$" and last):  # the whole value is matched anyway
            return lambda after: after
        raise Unsupported(f"{mark} inside: a matcher matches the whole value anyway")

    def _group(self) -> Callable[[int], int]:
        before = (self._fold, self._dot_all)
        if self._peek() == "?":
            found = re.compile(r"\?(?:P?<\w+>|([is]+)?(:|\)))").match(self._text, self._at)
            if found is None:
                raise Unsupported("look-around and back references: RE2 has none")
            self._at = found.end()
            self._fold, self._dot_all = self._fold or "i" in (found[1] or ""), self._dot_all or "s" in (found[1] or "")
            if found[2] == ")":
                return lambda after: after
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise Unsupported(f"groups are {MAX_DEPTH} deep at most")
        inner = self._alternatives()
        if self._peek() != ")":
            raise Unsupported("a ( that is never closed")
        self._at, self._depth = self._at + 1, self._depth - 1
        self._fold, self._dot_all = before
        return inner

    def _escape(self) -> Callable[[int], int]:
        return self._one(self._escaped(self._next()))

    def _escaped(self, mark: str) -> Test:
        if mark.lower() in _CLASSES:
            test = _CLASSES[mark.lower()]
            return test if mark.islower() else lambda c: not test(c)
        if mark == "x":
            found = re.compile(r"([0-9a-fA-F]{2})|\{([0-9a-fA-F]{1,6})\}").match(self._text, self._at)
            if found is None:
                raise Unsupported("\\x without a number")
            self._at = found.end()
            return self._same(chr(int(found[1] or found[2], 16)))
        if mark in _ESCAPES:
            return self._same(_ESCAPES[mark])
        if mark.isalnum() or not mark:
            raise Unsupported(f"\\{mark}")
        return self._same(mark)

    def _class(self) -> Test:
        negated = self._peek() == "^"
        self._at += negated
        tests: list[Test] = []
        while self._peek() != "]" or not tests:
            if not self._peek():
                raise Unsupported("a [ that is never closed")
            tests.append(self._member())
        self._at += 1
        return lambda c: any(test(c) for test in tests) != negated

    def _member(self) -> Test:
        named = re.compile(r"\[:(\^?)(\w+):\]").match(self._text, self._at)
        if named is not None and named[2] in _NAMED:
            self._at = named.end()
            members, outside = _NAMED[named[2]], bool(named[1])
            return lambda c: (c in members) != outside
        low = self._next()
        if low == "\\":
            low = self._next()
            if low.lower() in _CLASSES or low == "x":
                return self._escaped(low)
            low = _ESCAPES.get(low, low)
        if self._peek() != "-" or self._text[self._at + 1 : self._at + 2] in {"]", ""}:
            return self._same(low)
        self._at += 1
        high = self._next()
        if high == "\\":
            high = self._next()
        if high < low:
            raise Unsupported(f"the range {low}-{high}")
        if self._fold:
            return lambda c: any(low <= each <= high for each in (c, c.lower(), c.upper()))
        return lambda c: low <= c <= high

    def _same(self, character: str) -> Test:
        if self._fold:
            return lambda c: c.lower() == character.lower()
        return lambda c: c == character

    def _one(self, test: Test) -> Callable[[int], int]:
        return lambda after: self._add(_State(test, after, ()))

    def _peek(self) -> str:
        return self._text[self._at : self._at + 1]

    def _next(self) -> str:
        self._at += 1
        return self._text[self._at - 1 : self._at]
