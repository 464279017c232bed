"""What a secret looks like: an API key or token by its shape, a password by its place in a URL, a value by its name.

Every pattern is bounded or possessive, and what cannot be in a text is not looked for, so that no text costs more than
its length.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from typing import Literal

REDACTED = "[redacted]"
CUT = " [cut from "  # what a cut text ends with begins so
_DONE = (REDACTED, CUT)
_MAX_NAME = 128
_HEAD = 128  # characters that decide whether a value is one

Sort = Literal["certain", "line", "token"]

_START = r"(?<![A-Za-z0-9])"
_MIXED = r"(?=[a-z_-]{0,64}[A-Z0-9])"  # words joined by hyphens are no key
_KEYS: tuple[tuple[str, str], ...] = (  # what must be in the text, and the shape
    ("sk-", rf"{_START}(?<!-)sk-{_MIXED}[A-Za-z0-9_-]{{16,}}+"),
    ("pk-lf-", rf"{_START}pk-lf-[A-Za-z0-9-]{{16,}}+"),
    ("k_live_", rf"{_START}[srp]k_live_[A-Za-z0-9]{{16,}}+"),
    ("k_test_", rf"{_START}[srp]k_test_[A-Za-z0-9]{{16,}}+"),
    ("whsec_", rf"{_START}whsec_[A-Za-z0-9+/=]{{16,}}+"),
    ("gh", rf"{_START}gh[pousr]_[A-Za-z0-9]{{20,}}+"),
    ("github_pat_", rf"{_START}github_pat_[A-Za-z0-9_]{{20,}}+"),
    ("glpat-", rf"{_START}glpat-[A-Za-z0-9_-]{{16,}}+"),
    ("xox", rf"{_START}xox[a-z]-[A-Za-z0-9-]{{10,}}+"),
    ("xapp-", rf"{_START}xapp-[A-Za-z0-9-]{{10,}}+"),
    ("AIza", rf"{_START}AIza[A-Za-z0-9_-]{{30,}}+"),
    ("ya29.", rf"{_START}ya29\.[A-Za-z0-9_-]{{20,}}+"),
    ("GOCSPX-", rf"{_START}GOCSPX-[A-Za-z0-9_-]{{20,}}+"),
    ("AKIA", rf"{_START}AKIA[A-Z0-9]{{16,}}+"),
    ("ASIA", rf"{_START}ASIA[A-Z0-9]{{16,}}+"),
    ("ABSK", rf"{_START}ABSK[A-Za-z0-9+/=]{{40,}}+"),
    ("hf_", rf"{_START}hf_[A-Za-z0-9]{{20,}}+"),
    ("gsk_", rf"{_START}gsk_[A-Za-z0-9]{{20,}}+"),
    ("xai-", rf"{_START}xai-[A-Za-z0-9]{{20,}}+"),
    ("pplx-", rf"{_START}pplx-[A-Za-z0-9]{{20,}}+"),
    ("r8_", rf"{_START}r8_[A-Za-z0-9]{{20,}}+"),
    ("nvapi-", rf"{_START}nvapi-[A-Za-z0-9_-]{{20,}}+"),
    ("tvly-", rf"{_START}tvly-[A-Za-z0-9_-]{{16,}}+"),
    ("lsv2_", rf"{_START}lsv2_[a-z]{{2}}_[A-Za-z0-9_]{{20,}}+"),
    ("pylf_", rf"{_START}pylf_v[0-9]{{1,3}}_[A-Za-z0-9_]{{16,}}+"),
    ("pcsk_", rf"{_START}pcsk_[A-Za-z0-9_]{{20,}}+"),
    ("npm_", rf"{_START}npm_[A-Za-z0-9]{{30,}}+"),
    ("pypi-", rf"{_START}pypi-[A-Za-z0-9_-]{{32,}}+"),
    ("SG.", rf"{_START}SG\.[A-Za-z0-9_-]{{16,}}+\.[A-Za-z0-9_-]{{16,}}+"),
    ("dapi", rf"{_START}dapi[0-9a-f]{{32,}}+"),
    ("hvs.", rf"{_START}hvs\.[A-Za-z0-9_-]{{20,}}+"),
    ("_v1_", rf"{_START}do[opr]_v1_[0-9a-f]{{32,}}+"),
    ("shp", rf"{_START}shp[a-z]{{2}}_[0-9a-fA-F]{{32,}}+"),
    ("eyJ", r"(?<![A-Za-z0-9_-])eyJ[A-Za-z0-9_-]{8,}+\.[A-Za-z0-9_-]{8,}+(?:\.[A-Za-z0-9_-]*+)?"),
    (
        "-----BEGIN ",
        r"-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY(?s:.*?)(?:-----END [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-{0,5}|\Z)",
    ),
    ("hooks.slack.com/", r"(?<=hooks\.slack\.com/)[^\s\"'<>]++"),
    ("/api/webhooks/", r"(?<=/api/webhooks/)[^\s\"'<>]++"),
    ("api.telegram.org/", r"(?<=api\.telegram\.org/)bot[^\s\"'<>/]++"),
    ("://", r"(?<=://)[^\s/?#\"'<>\\]*(?=@)"),
)
_SHAPES = tuple((needle, re.compile(pattern)) for needle, pattern in _KEYS)
_SCHEME = re.compile(
    r"(?<![A-Za-z0-9])(?i:bearer[ \t]{1,4}(?=[a-z]?(?-i:[a-z._~+/=-]{0,64}[A-Z0-9]))[a-z0-9._~+/=-]{8,}+"
    r"|basic[ \t]{1,4}(?=[a-z]{0,64}[0-9+/=])[a-z0-9+/=]{12,}+)"
)
_QUERY = re.compile(
    r"[?&](?i:key|auth|code|sig|signature|x-(?:amz|goog)-(?:signature|credential|security-token))="
    rf"(?!{re.escape(REDACTED)})([^&\s\"'#<>\\]++)"
)
_NAMED = re.compile(r"(?<![\w-])([A-Za-z][\w-]{1,63}+)(?:\\{0,4}+[\"'])?+\]?+[ \t]{0,4}+[=:][ \t]{0,4}+")
_QUOTED = re.compile(r"\"((?:[^\"\\\n]|\\.)++)|'((?:[^'\\\n]|\\.)++)|\\++[\"']([^\"'\\\n]++)")
_BARE = re.compile(r"[^\s\"'&,;<>\\]++")
_LINE = re.compile(r"[^\r\n\"'<>\\]++")

_WORDS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+")
_CERTAIN = re.compile(
    "pass(?:word|wd|phrase|code)|pwd|secrets?|credentials?|authorization|cookies?|apikeys?|jwt"
    "|(?:access|secret|private)key|(?:auth|access|refresh|session)token|clientsecret"
)
_KIND_OF_KEY = re.compile(
    "access|account|api|app|auth|encryption|function|license|master|private|secret|service|shared|signing|ssh|subscription"
)
_TAIL = re.compile("hash|header|value|string|text|b64|base64|raw|plain")
_LINES = frozenset({"authorization", "cookie"})
_NO_VALUE = re.compile(
    r"(?i:str|string|none|null|nil|true|false|bool|int|bytes|optional|required|undefined|any)[.)\]}]{0,4}"
)
_DIGIT = re.compile("[0-9]")


def is_secret_name(name: str) -> bool:
    """Whether what goes by this name is a secret: `api_key`, `Authorization`, `clientSecret`, not `input_tokens`."""
    return sort_of(name) is not None


def sort_of(name: str) -> Sort | None:
    """What goes by this name: `certain`, a secret; `line`, a header whose whole line is; `token`; None, no secret."""
    return _sort(name[:_MAX_NAME])


_NEEDLES = (
    *(needle for needle, _ in _KEYS if needle != "gh"),
    *(f"gh{sort}_" for sort in "pousr"),
)
_NAMES = ("pass", "pwd", "secret", "credential", "auth", "cookie", "key", "jwt", "token", "code", "sig")


def may_hold(text: str) -> bool:
    """Whether a text may have a secret; False is certain, and costs a few microseconds."""
    for needle in _NEEDLES:
        if needle in text:
            return True
    named = "=" in text or ":" in text
    lowered = text.lower()
    if "bearer" in lowered or "basic" in lowered:
        return True
    return named and any(name in lowered for name in _NAMES)


def secrets(window: str) -> Iterator[tuple[int, int]]:
    """Where the secrets of a text are, in no order; they may overlap."""
    for needle, shape in _SHAPES:
        if needle in window:
            yield from (match.span() for match in shape.finditer(window) if match[0] != REDACTED and match[0])
    lowered = window.lower()
    if "bearer" in lowered or "basic" in lowered:
        yield from (match.span() for match in _SCHEME.finditer(window))
    if "=" in window:
        yield from (match.span(1) for match in _QUERY.finditer(window))
    if ("=" in window or ":" in window) and any(name in lowered for name in _NAMES):
        yield from _named(window)


def _named(window: str) -> Iterator[tuple[int, int]]:
    """Values that stand behind a secret's name, as in `password=...`, `"api_key": "..."` or a header line."""
    done = 0
    for match in _NAMED.finditer(window):
        if match.start() < done:
            continue
        sort = sort_of(match[1])
        if sort is None or (sort == "token" and _DIGIT.search(window, match.end(), match.end() + _HEAD) is None):
            continue
        value = _value(window, match.end(), sort)
        if value is not None:
            done = value[1]
            yield value


def _value(window: str, at: int, sort: Sort) -> tuple[int, int] | None:
    """Where the value at `at` is; its first characters decide whether it is one, so that a refusal costs little."""
    quoted = _QUOTED.match(window, at, at + _HEAD)
    if quoted is not None and quoted.lastindex is not None:
        said = quoted[quoted.lastindex]
        found = _QUOTED.match(window, at) if _speaks(said, sort) and not said.startswith(_DONE) else None
        return None if found is None or found.lastindex is None else found.span(found.lastindex)
    shape = _LINE if sort == "line" else _BARE
    bare = shape.match(window, at, at + _HEAD)
    if bare is None or bare[0][0] in "[{(" or not _speaks(bare[0], sort):
        return None
    whole = shape.match(window, at)
    return None if whole is None else whole.span()


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
