"""Feedback tokens: what a front end may hold for days to rate one piece of work once, and can neither read nor change.

A token is `fb1_` and base64url of: nonce (16 bytes), ciphertext, tag (16 bytes). Encrypt-then-MAC from HMAC-SHA256
alone, because the standard library has no AEAD: the key stream is HMAC(encryption key, nonce and counter), the tag
HMAC(authentication key, version, nonce and ciphertext), compared in constant time before anything is decrypted. Both
keys are derived from the secret under different names. Nonces are random: with 128 bits, two equal ones are not to be
expected in 2^60 tokens. Whoever holds several keys signs with the first and reads all of them, so that keys rotate.
"""

from __future__ import annotations

import binascii
import hashlib
import hmac
import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

from spanwatch.core.feedback.rating import Target

PREFIX = "fb1_"
NONCE_BYTES = 16
MAX_TOKEN = 4_096  # characters
_TAG_BYTES = 16
_FIELD = 128  # bytes of a text that a token carries; a longer one is left out, for half an id is none
_BLOCK = 32  # what is carried is padded to a multiple, so that a token's length says little
_NAMES = tuple(field.name for field in fields(Target))


class TokenError(ValueError):
    """A token cannot be taken; `reason` is `malformed`, `forged` or `expired`, and says nothing about its content."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"the feedback token is {reason}")
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Opened:
    """What a token says: the target, the id under which it may rate once, and when it expires (UNIX seconds)."""

    target: Target
    id: str
    expires: int


def sealed(target: Target, keys: Sequence[bytes], *, nonce: bytes, expires: int) -> str:
    """A token for a target. `nonce` is NONCE_BYTES of randomness, never used twice; `expires` is UNIX seconds.

    Raises:
        ValueError: the nonce has another length.
    """
    if len(nonce) != NONCE_BYTES:
        raise ValueError(f"a nonce has {NONCE_BYTES} bytes, not {len(nonce)}")
    said = {name: value for name in _NAMES if (value := _short(getattr(target, name))) not in (None, True)}
    data = json.dumps({"x": expires, **said}, separators=(",", ":"), ensure_ascii=False).encode("utf-8", "replace")
    data += b" " * (-len(data) % _BLOCK)
    encryption, authentication = _derived(keys[0])
    hidden = _xor(data, _stream(encryption, nonce, len(data)))
    tag = _tag(authentication, nonce, hidden)
    return PREFIX + urlsafe_b64encode(nonce + hidden + tag).rstrip(b"=").decode("ascii")


def opened(token: str, keys: Sequence[bytes], *, now: float) -> Opened:
    """What a token says.

    Raises:
        TokenError: it is malformed, forged, of another key, or expired at `now` (UNIX seconds).
    """
    data = _decoded(token)
    nonce, hidden, tag = data[:NONCE_BYTES], data[NONCE_BYTES:-_TAG_BYTES], data[-_TAG_BYTES:]
    for key in keys:
        encryption, authentication = _derived(key)
        if hmac.compare_digest(tag, _tag(authentication, nonce, hidden)):
            said = json.loads(_xor(hidden, _stream(encryption, nonce, len(hidden))))
            return _checked(said, nonce, now)
    raise TokenError("forged")


def is_token(text: str) -> bool:
    """Whether a text claims to be a token."""
    return text.startswith(PREFIX)


def _checked(said: dict[str, Any], nonce: bytes, now: float) -> Opened:
    expires = int(said.pop("x"))
    if now >= expires:
        raise TokenError("expired")
    target = replace(Target(), **{name: value for name, value in said.items() if name in _NAMES})
    return Opened(target, hashlib.sha256(b"token" + nonce).hexdigest()[:32], expires)


def _decoded(token: str) -> bytes:
    """The bytes of a token in its one spelling: another spelling of the same bytes is malformed."""
    body = token.removeprefix(PREFIX)
    if len(token) > MAX_TOKEN or not token.startswith(PREFIX) or not body.isascii():
        raise TokenError("malformed")
    try:
        data = urlsafe_b64decode(body + "=" * (-len(body) % 4))
    except (binascii.Error, ValueError):
        raise TokenError("malformed") from None
    if len(data) < NONCE_BYTES + _BLOCK + _TAG_BYTES or urlsafe_b64encode(data).rstrip(b"=").decode("ascii") != body:
        raise TokenError("malformed")
    return data


def _derived(key: bytes) -> tuple[bytes, bytes]:
    return _hmac(key, b"spanwatch feedback encryption"), _hmac(key, b"spanwatch feedback authentication")


def _stream(key: bytes, nonce: bytes, size: int) -> bytes:
    blocks = -(-size // hashlib.sha256().digest_size)
    return b"".join(_hmac(key, nonce + number.to_bytes(4, "big")) for number in range(blocks))[:size]


def _tag(key: bytes, nonce: bytes, hidden: bytes) -> bytes:
    return _hmac(key, PREFIX.encode("ascii") + nonce + hidden)[:_TAG_BYTES]


def _hmac(key: bytes, data: bytes) -> bytes:
    return hmac.digest(key, data, "sha256")


def _xor(one: bytes, other: bytes) -> bytes:
    return (int.from_bytes(one, "big") ^ int.from_bytes(other, "big")).to_bytes(len(one), "big")


def _short(value: Any) -> Any:
    return None if isinstance(value, str) and len(value.encode("utf-8", "replace")) > _FIELD else value
