"""What says who somebody is, taken out of text before it goes to a model: addresses, numbers, names of accounts."""

from __future__ import annotations

import re

from spanwatch.core.redact import redact

_MAIL = re.compile(r"[\w.+%-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63}){1,8}")
_LINK = re.compile(r"(?:https?://|www\.)\S{1,2048}")
_IBAN = re.compile(r"\b[A-Z]{2}\d{2}(?:[ ]?[A-Z0-9]{4}){2,7}(?:[ ]?[A-Z0-9]{1,3})?\b")
_ADDRESS = re.compile(r"(?<![\w.:])(?:\d{1,3}(?:\.\d{1,3}){3}|(?:[0-9A-Fa-f]{1,4}:){3,7}[0-9A-Fa-f]{0,4})(?![\w:])")
_HANDLE = re.compile(r"(?<![\w@])@\w[\w.-]{2,63}")
_NUMBER = re.compile(r"(?<!\w)[+(]{0,2}\d(?:[ ()./-]{0,3}\d){6,24}(?!\w)")

_SORTS: tuple[tuple[re.Pattern[str], str], ...] = (
    (_MAIL, "[mail]"),
    (_LINK, "[link]"),
    (_IBAN, "[account]"),
    (_ADDRESS, "[address]"),
    (_HANDLE, "[name]"),
    (_NUMBER, "[number]"),
)


def impersonal(text: str, limit: int) -> str:
    """A text without secrets, mail and IP addresses, links, account and telephone numbers; at most `limit` characters.

    What has no shape of its own, such as a name in a sentence, stays.
    """
    found = redact(text, limit)
    for shape, word in _SORTS:
        found = shape.sub(word, found)
    return found[:limit]
