"""What a secret looks like: an API key or token by its shape, a password by its place in a URL, a value by its name.

Every pattern is bounded or possessive, and what cannot be in a text is not looked for, so that no text costs more than
its length.
"""

from __future__ import annotations

import re
import string
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from itertools import chain
from typing import Literal

REDACTED = "[redacted]"
CUT = " [cut from "  # what a cut text ends with begins so
_DONE = (REDACTED, CUT)
_MAX_NAME = 128
_HEAD = 128  # characters that decide whether a value is one

Sort = Literal["certain", "line", "token"]


def _alone(begin: str, before: str = "A-Za-z0-9") -> str:
    """What a shape begins with, and nothing of `before` in front of it; asked afterwards, for `re` leaps to a text."""
    return rf"{begin}(?<![{before}]{begin})"


_MIXED = r"(?=[a-z_-]{0,64}+[A-Z0-9])"  # words joined by hyphens are no key
_USER = r"[^\s/?#\"'<>\\@]"
_KEYS: tuple[tuple[str, str], ...] = (  # what must be in the text, and the shape
    ("sk-", rf"{_alone('sk-', 'A-Za-z0-9-')}{_MIXED}[A-Za-z0-9_-]{{16,}}+"),
    ("pk-lf-", rf"{_alone('pk-lf-')}[A-Za-z0-9-]{{16,}}+"),
    *((f"{sort}k_live_", rf"{_alone(f'{sort}k_live_')}[A-Za-z0-9]{{16,}}+") for sort in "srp"),
    *((f"{sort}k_test_", rf"{_alone(f'{sort}k_test_')}[A-Za-z0-9]{{16,}}+") for sort in "srp"),
    ("whsec_", rf"{_alone('whsec_')}[A-Za-z0-9+/=]{{16,}}+"),
    ("gh", rf"{_alone('gh[pousr]_')}[A-Za-z0-9]{{20,}}+"),
    ("github_pat_", rf"{_alone('github_pat_')}[A-Za-z0-9_]{{20,}}+"),
    ("glpat-", rf"{_alone('glpat-')}[A-Za-z0-9_-]{{16,}}+"),
    ("xox", rf"{_alone('xox[a-z]-')}[A-Za-z0-9-]{{10,}}+"),
    ("xapp-", rf"{_alone('xapp-')}[A-Za-z0-9-]{{10,}}+"),
    ("AIza", rf"{_alone('AIza')}[A-Za-z0-9_-]{{30,}}+"),
    ("ya29.", rf"{_alone('ya29[.]')}[A-Za-z0-9_-]{{20,}}+"),
    ("GOCSPX-", rf"{_alone('GOCSPX-')}[A-Za-z0-9_-]{{20,}}+"),
    ("AKIA", rf"{_alone('AKIA')}[A-Z0-9]{{16,}}+"),
    ("ASIA", rf"{_alone('ASIA')}[A-Z0-9]{{16,}}+"),
    ("ABSK", rf"{_alone('ABSK')}[A-Za-z0-9+/=]{{40,}}+"),
    ("hf_", rf"{_alone('hf_')}[A-Za-z0-9]{{20,}}+"),
    ("gsk_", rf"{_alone('gsk_')}[A-Za-z0-9]{{20,}}+"),
    ("xai-", rf"{_alone('xai-')}[A-Za-z0-9]{{20,}}+"),
    ("pplx-", rf"{_alone('pplx-')}[A-Za-z0-9]{{20,}}+"),
    ("r8_", rf"{_alone('r8_')}[A-Za-z0-9]{{20,}}+"),
    ("nvapi-", rf"{_alone('nvapi-')}[A-Za-z0-9_-]{{20,}}+"),
    ("tvly-", rf"{_alone('tvly-')}[A-Za-z0-9_-]{{16,}}+"),
    ("lsv2_", rf"{_alone('lsv2_')}[a-z]{{2}}_[A-Za-z0-9_]{{20,}}+"),
    ("pylf_", rf"{_alone('pylf_v')}[0-9]{{1,3}}_[A-Za-z0-9_]{{16,}}+"),
    ("pcsk_", rf"{_alone('pcsk_')}[A-Za-z0-9_]{{20,}}+"),
    ("npm_", rf"{_alone('npm_')}[A-Za-z0-9]{{30,}}+"),
    ("pypi-", rf"{_alone('pypi-')}[A-Za-z0-9_-]{{32,}}+"),
    ("SG.", rf"{_alone('SG[.]')}[A-Za-z0-9_-]{{16,}}+\.[A-Za-z0-9_-]{{16,}}+"),
    ("dapi", rf"{_alone('dapi')}[0-9a-f]{{32,}}+"),
    ("hvs.", rf"{_alone('hvs[.]')}[A-Za-z0-9_-]{{20,}}+"),
    ("_v1_", rf"{_alone('do[opr]_v1_')}[0-9a-f]{{32,}}+"),
    ("shp", rf"{_alone('shp[a-z]{2}_')}[0-9a-fA-F]{{32,}}+"),
    ("eyJ", rf"{_alone('eyJ', 'A-Za-z0-9_-')}[A-Za-z0-9_-]{{8,}}+\.[A-Za-z0-9_-]{{8,}}+(?:\.[A-Za-z0-9_-]*+)?"),
    (
        "-----BEGIN ",
        r"-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY(?s:.*?)(?:-----END [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-{0,5}|\Z)",
    ),
    ("hooks.slack.com/", r"hooks\.slack\.com/([^\s\"'<>]++)"),
    ("/api/webhooks/", r"/api/webhooks/([^\s\"'<>]++)"),
    ("api.telegram.org/", r"api\.telegram\.org/(bot[^\s\"'<>/]++)"),
    ("://", rf"://({_USER}*+(?:@{_USER}*+(?=@))*+)@"),
)
_BEGINS = {"_v1_": 3}  # characters of a shape before its needle
_SHAPES = tuple((needle, _BEGINS.get(needle, 0), re.compile(pattern)) for needle, pattern in _KEYS)
_LETTERS = "".join(sorted(set("".join(needle for needle, _ in _KEYS))))
_LONG = 16_384  # characters; in a shorter text it is not worth the while to look for rare letters
_FEW = 64  # of a letter: so many places are sooner looked at one by one than all the text
_BEARER = re.compile(
    r"[Bb][Ee][Aa][Rr][Ee][Rr](?<![A-Za-z0-9].{6})[ \t]{1,4}"
    r"(?=[A-Za-z]?[a-z._~+/=-]{0,64}+[A-Z0-9])[A-Za-z0-9._~+/=-]{8,}+"
)
_BASIC = re.compile(
    r"[Bb][Aa][Ss][Ii][Cc](?<![A-Za-z0-9].{5})[ \t]{1,4}(?=[A-Za-z]{0,64}+[0-9+/=])[A-Za-z0-9+/=]{12,}+"
)
_SCHEMES = (  # where a secret may be, in small letters, for `re` leaps to a text, and what one is
    ("bearer", re.compile(r"bearer(?<![a-z0-9].{6})[ \t]{1,4}(?=[a-z0-9._~+/=-]{8})"), _BEARER),
    ("basic", re.compile(r"basic(?<![a-z0-9].{5})[ \t]{1,4}(?=[a-z0-9+/=]{12})"), _BASIC),
)
_QUERY = re.compile(
    r"[?&](?i:key|auth|code|sig|signature|x-(?:amz|goog)-(?:signature|credential|security-token))="
    rf"(?!{re.escape(REDACTED)})([^&\s\"'#<>\\]++)"
)
_NAMED = re.compile(r"(?<![\w-])([A-Za-z][\w-]{1,63}+)(?:\\{0,4}+[\"'])?+\]?+[ \t]{0,4}+[=:][ \t]{0,4}+")
_LONGEST_NAME = 64
_BEGUN = re.compile(r"(?<![\w-])[\w-]*\Z")  # back to where a name begins
_OF_NAMES = "-_" + string.ascii_letters + string.digits
_QUOTED = re.compile(r"\"((?:[^\"\\\n]|\\.)++)|'((?:[^'\\\n]|\\.)++)|\\++[\"']([^\"'\\\n]++)")
_BARE = re.compile(r"[^\s\"'&,;<>\\]++")
_LINE = re.compile(r"[^\r\n\"'<>\\]++")

_WORDS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+")
_CERTAIN = re.compile(
    "pass(?:word|wd|phrase|code)|pwd|secrets?|credentials?|authorization|cookies?|apikeys?|jwt"
    "|(?:access|secret|private)key|(?:auth|access|refresh|session)token|clientsecret"
)
_KINDS = (
    "access|account|api|app|auth|encryption|function|license|master|private|secret|service|shared"
    "|signing|ssh|subscription"
)
_TAILS = "hash|header|value|string|text|b64|base64|raw|plain"
_KIND_OF_KEY, _TAIL = re.compile(_KINDS), re.compile(_TAILS)
_BETWEEN = r"[-_?\x80-\xff]"  # the words of a name; what is not Latin-1 is a question mark there
_AFTER = (  # a name's end and what stands between it and a value
    rf"(?:{_BETWEEN}{{0,60}}+(?:{_TAILS})){{0,21}}{_BETWEEN}{{0,60}}"
    r"(?:\\{0,4}+[\"'])?+\]?+[ \t]{0,4}+[=:]"
)
_BEFORE = "".join(sorted({kind[-1] for kind in _KINDS.split("|")}))
_ENDS = "|".join(sorted({kind[-3:] for kind in _KINDS.split("|")}))
_KEY = "|".join(f"(?<={kind}{between}key)" for between in ("", _BETWEEN) for kind in _KINDS.split("|"))
_TWICE = f"(?<={_BETWEEN}{_BETWEEN}key)"
_SECRET_WORD = re.compile(  # in small letters: all that `sort_of` may call a secret, and little else
    rf"(?:pass(?:word|wd|phrase|code)|pwd|secrets?|credentials?|authorization|cookies?|jwt|token"
    rf"|key(?=st|s?[-_?\x80-\xff\"'\\\] \t=:bhprtv])"  # what costs least is asked first: most of what is no key fails
    rf"(?:(?<=[{_BEFORE}]key)(?<=(?:{_ENDS})key)"
    rf"|(?<=[-_?\x80-\xff{_BEFORE}]{_BETWEEN}key)(?:(?<=(?:{_ENDS}){_BETWEEN}key)|{_TWICE}))"
    rf"(?=s?{_AFTER})(?:{_KEY}|{_TWICE})s?)"
    rf"(?=[-_?\x80-\xff\"'\\\] \t=:bhprstv]){_AFTER}"
)
_LINES = frozenset({"authorization", "cookie"})
_NO_VALUE = re.compile(
    r"(?i:str|string|none|null|nil|true|false|bool|int|bytes|optional|required|undefined|any)[.)\]}]{0,4}"
)
_DIGIT = re.compile("[0-9]")


def sort_of(name: str) -> Sort | None:
    """What goes by this name: `certain`, a secret; `line`, a header whose whole line is; `token`; None, no secret.

    `api_key` and `clientSecret` are certain, `Authorization` is a line, `input_tokens` none.
    """
    return _sort(name[:_MAX_NAME])


_EVERY = (*(needle for needle, _ in _KEYS if needle != "gh"), *(f"gh{sort}_" for sort in "pousr"))
_NEEDLES = tuple(  # by a mark that all of them have, so that one question may answer for many; the last have none
    (mark, tuple(needle for needle in _EVERY if mark in needle and not any(each in needle for each in "_-./"[:at])))
    for at, mark in enumerate(("_", "-", ".", "/", ""))
)
_NAMES = ("pass", "pwd", "secret", "credential", "auth", "cookie", "key", "jwt", "token", "code", "sig")


def may_hold(text: str) -> bool:
    """Whether a text may have a secret; False is certain, and costs a few microseconds."""
    for mark, needles in _NEEDLES:
        if mark in text:
            for needle in needles:
                if needle in text:
                    return True
    named = "=" in text or ":" in text
    lowered = text.lower()
    if "bearer" in lowered or "basic" in lowered:
        return True
    return named and any(name in lowered for name in _NAMES)


def secrets(window: str) -> Iterator[tuple[int, int]]:
    """Where the secrets of a text are, in no order; they may overlap."""
    return (span for span in chain(shaped(window), named(window)) if span[0] < span[1])


def shaped(window: str) -> Iterator[tuple[int, int]]:
    """Where the secrets are that are known by their shape or place; empty spans where there is only half of one."""
    narrow = _narrow(window)
    found = _in_short(window, narrow) if len(window) < _LONG else _in_long(window, narrow, _rare(narrow))
    yield from (_span(match) for match in found if match[0] != REDACTED)
    lowered = _lowered(window)
    for word, place, scheme in _SCHEMES:
        if word in lowered:
            places = (found.start() for found in place.finditer(lowered))
            yield from (match.span() for match in _matches(scheme, window, places))
    if "=" in narrow and ("?" in window or "&" in window):
        yield from (match.span(1) for match in _QUERY.finditer(window))


def _in_short(window: str, narrow: str) -> Iterator[re.Match[str]]:
    for needle, _, shape in _SHAPES:
        if needle in narrow:
            yield from shape.finditer(window)


def _in_long(window: str, narrow: str, rare: Mapping[str, Sequence[int]]) -> Iterator[re.Match[str]]:
    """The same, by leaps to a letter of each needle that is rare; all the text is looked through where none is."""
    for needle, before, shape in _SHAPES:
        letters = [each for each in needle if each in rare]
        if letters:
            letter = min(letters, key=lambda each: len(rare[each]))
            yield from _matches(shape, window, _places(narrow, needle, letter, rare[letter], before))
        elif needle in narrow:
            yield from shape.finditer(window)


def _places(narrow: str, needle: str, letter: str, letters: Iterable[int], before: int) -> Iterator[int]:
    """Where a shape may begin: so many characters before a needle, of which one letter was found."""
    first = needle.index(letter)
    for at in letters:
        if at >= first + before and narrow.startswith(needle, at - first):
            yield at - first - before


def _rare(narrow: str) -> dict[str, list[int]]:
    """Where those letters of the needles are that are few; `find` leaps from letter to letter."""
    found: dict[str, list[int]] = {}
    for letter in _LETTERS:
        places: list[int] = []
        at = narrow.find(letter)
        while at >= 0 and len(places) < _FEW:
            places.append(at)
            at = narrow.find(letter, at + 1)
        if at < 0:
            found[letter] = places
    return found


def _matches(shape: re.Pattern[str], window: str, places: Iterable[int]) -> Iterator[re.Match[str]]:
    """As `finditer`, at places in order, one of which is where each match begins."""
    done = 0
    for place in places:
        match = shape.match(window, place) if place >= done else None
        if match is not None:
            done = match.end()
            yield match


def named(window: str) -> Iterator[tuple[int, int]]:
    """Values that stand behind a secret's name, as in `password=...`, `"api_key": "..."` or a header line; in order.

    Empty spans are where such a name is and no secret.
    """
    last = max(window.rfind("="), window.rfind(":"))
    lowered = _lowered(window) if last >= 0 else ""
    at = done = 0
    while (word := _SECRET_WORD.search(lowered, at, last + 1)) is not None:
        start, at = word.span()
        begin = _begin(window, start)
        match = None if begin < done else _NAMED.match(window, begin)
        value = None if match is None else _behind(window, match)
        if value is not None:
            at = done = value[1]
        yield value or (start, start)


def _narrow(window: str) -> str:
    """As long as the window, a byte each, where `find` is quicker; what is not Latin-1 is a question mark."""
    return window if window.isascii() else window.encode("latin-1", "replace").decode("latin-1")


def _lowered(window: str) -> str:
    """As long as the window, ASCII in small letters; what is not Latin-1 is a question mark, and nothing else is."""
    return window.replace("?", "\0").encode("latin-1", "replace").lower().decode("latin-1")


def _span(match: re.Match[str]) -> tuple[int, int]:
    start, end = match.span(match.lastindex or 0)
    return (start, end) if match.lastindex is None or match[match.lastindex] != REDACTED else (start, start)


def _begin(window: str, at: int) -> int:
    """Where the name begins in which `at` is."""
    first = max(0, at - _LONGEST_NAME)
    begin = first + len(window[first:at].rstrip(_OF_NAMES))
    if begin == first or window[begin - 1].isascii():
        return begin
    found = _BEGUN.search(window, first, at)
    return at if found is None else found.start()


def _behind(window: str, name: re.Match[str]) -> tuple[int, int] | None:
    """Where the secret behind a name is, if the name is one of secrets."""
    sort = sort_of(name[1])
    if sort is None or (sort == "token" and _DIGIT.search(window, name.end(), name.end() + _HEAD) is None):
        return None
    return _value(window, name.end(), sort)


def _value(window: str, at: int, sort: Sort) -> tuple[int, int] | None:
    """Where the value at `at` is; its first characters decide whether it is one, so that a refusal costs little."""
    quoted = _QUOTED.match(window, at, at + _HEAD)
    if quoted is not None and quoted.lastindex is not None:
        said = quoted[quoted.lastindex]
        found = _whole(quoted, window, at) if _speaks(said, sort) and not said.startswith(_DONE) else None
        return None if found is None or found.lastindex is None else found.span(found.lastindex)
    shape = _LINE if sort == "line" else _BARE
    bare = shape.match(window, at, at + _HEAD)
    if bare is None or bare[0][0] in "[{(" or not _speaks(bare[0], sort):
        return None
    whole = _whole(bare, window, at)
    return None if whole is None else whole.span()


def _whole(head: re.Match[str], window: str, at: int) -> re.Match[str] | None:
    """What began in the first characters, to its end."""
    return head if head.end() < at + _HEAD else head.re.match(window, at)


def _speaks(value: str, sort: Sort) -> bool:
    """Whether a value can be a secret: no type, no placeholder, and behind a mere `token` something like a token."""
    if _NO_VALUE.fullmatch(value):
        return False
    return sort != "token" or (len(value) >= 8 and _DIGIT.search(value, 0, 64) is not None)


@lru_cache(maxsize=4096)
def _sort(name: str) -> Sort | None:
    """`certain`, `line` (a header: the rest of the line is secret), `token`, or None for an ordinary name."""
    words = [word.lower() for word in _WORDS.findall(name)]
    while len(words) > 1 and _TAIL.fullmatch(words[-1]):
        words.pop()
    if not words:
        return None
    last = words[-1]
    if _CERTAIN.fullmatch(last):
        return "line" if last in _LINES else "certain"
    if last in {"key", "keys"} and len(words) > 1 and _KIND_OF_KEY.fullmatch(words[-2]):
        return "certain"
    return "token" if last == "token" else None
