"""Foreign text made harmless for terminals: no control characters, nothing invisible, nothing that turns directions."""

from __future__ import annotations

import re

# Control characters of both kinds, what turns the direction of text, what is invisible, and lone surrogates.
_HARMFUL = re.compile(
    "[\x00-\x1f\x7f-\x9f\u00ad\u061c\u115f\u1160\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\u3164\ufe00-\ufe0f\ufeff"
    "\uffa0\ufff9-\ufffb\ud800-\udfff\U000e0000-\U000e007f]"
)


def clean(text: object) -> str:
    r"""Foreign text that can neither move the cursor nor hide: harmful characters become escapes, such as `\x1b`."""
    found = str(text)
    return found if found.isascii() and found.isprintable() else _HARMFUL.sub(_escaped, found)


def _escaped(match: re.Match[str]) -> str:
    code = ord(match[0])
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
