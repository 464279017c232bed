import base64
import json
from dataclasses import fields

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spanwatch.core.feedback.rating import Target
from spanwatch.core.feedback.tokens import MAX_TOKEN, PREFIX, TokenError, opened, sealed

KEY, OTHER = b"k" * 32, b"o" * 32
TARGET = Target("4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7", user_id="alice@example.org", agent="orders")
NONCE = bytes(range(16))


def seal(target=TARGET, key=KEY, nonce=NONCE, expires=1_000):
    return sealed(target, [key], nonce=nonce, expires=expires)


def test_a_token_says_again_what_was_sealed():
    found = opened(seal(), [KEY], now=999.9)
    assert (found.target, found.expires, len(found.id)) == (TARGET, 1_000, 32)


def test_the_same_token_has_the_same_id_and_another_one_another():
    assert opened(seal(), [KEY], now=1).id == opened(seal(), [KEY], now=2).id
    assert opened(seal(), [KEY], now=1).id != opened(seal(nonce=bytes(16)), [KEY], now=1).id


def test_a_token_expires_at_its_second():
    with pytest.raises(TokenError, match="expired") as error:
        opened(seal(), [KEY], now=1_000)
    assert error.value.reason == "expired"


def test_no_id_can_be_read_from_a_token():
    token = seal()
    raw = base64.urlsafe_b64decode(token.removeprefix(PREFIX) + "==")
    for text in (token.encode(), raw):
        for secret in (TARGET.trace_id, TARGET.span_id, "alice", "orders", "4bf92f"):
            assert secret.encode() not in text
            assert bytes.fromhex(TARGET.span_id) not in text


def test_two_tokens_of_one_target_share_nothing_but_the_prefix():
    one, other = seal(), seal(nonce=bytes(16))
    assert sum(a == b for a, b in zip(one[4:], other[4:], strict=True)) < 20


def test_every_changed_bit_is_noticed():
    token = seal()
    raw = base64.urlsafe_b64decode(token.removeprefix(PREFIX) + "==")
    for bit in range(len(raw) * 8):
        changed = bytearray(raw)
        changed[bit // 8] ^= 1 << bit % 8
        forged = PREFIX + base64.urlsafe_b64encode(bytes(changed)).rstrip(b"=").decode()
        with pytest.raises(TokenError, match="forged"):
            opened(forged, [KEY], now=1)


@pytest.mark.parametrize(
    "text",
    [
        "", PREFIX, "fb2_" + seal()[4:], seal()[:-1], seal() + "A", seal() + "=", " " + seal(), seal()[:60],
        PREFIX + "é" * 100, PREFIX + "A" * MAX_TOKEN, PREFIX + "!" * 100, seal().swapcase()[:4] + seal()[4:],
        PREFIX + seal()[4:].replace("_", "/").replace("-", "+") + "\n",
    ],
)  # fmt: skip
def test_what_is_no_token_is_malformed_or_forged(text):
    with pytest.raises(TokenError, match=r"malformed|forged"):
        opened(text, [KEY], now=1)


def test_another_spelling_of_the_same_bytes_is_no_token():
    targets = (Target(agent="x" * n) for n in range(0, 128, 8))
    token = next(token for token in map(seal, targets) if len(token[4:]) % 4)
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    other = token[:-1] + alphabet[alphabet.index(token[-1]) ^ 1]
    with pytest.raises(TokenError, match=r"malformed|forged"):
        opened(other, [KEY], now=1)


def test_keys_rotate_and_a_stranger_key_opens_nothing():
    old = seal(key=OTHER)
    assert opened(old, [KEY, OTHER], now=1).target == TARGET
    with pytest.raises(TokenError, match="forged"):
        opened(old, [KEY], now=1)


def test_the_error_says_nothing_of_the_token():
    with pytest.raises(TokenError) as error:
        opened(seal()[:-2] + "AA", [KEY], now=1)
    assert str(error.value) == "the feedback token is forged"


def test_ids_too_long_to_carry_are_left_out_not_cut():
    found = opened(seal(Target("a" * 32, "b" * 16, user_id="u" * 129, agent="é" * 64)), [KEY], now=1)
    assert (found.target.user_id, found.target.agent) == (None, "é" * 64)


def test_the_longest_target_fits_into_a_token():
    texts = {f.name: '"' * 128 for f in fields(Target) if f.name not in {"trace_id", "span_id", "sampled"}}
    token = seal(Target("a" * 32, "b" * 16, **texts))
    assert len(token) <= MAX_TOKEN
    assert opened(token, [KEY], now=1).target.user_id == '"' * 128


@given(st.binary(max_size=300))
def test_random_bytes_are_never_taken(data):
    with pytest.raises(TokenError):
        opened(PREFIX + base64.urlsafe_b64encode(data).rstrip(b"=").decode(), [KEY], now=1)


@given(st.builds(Target, user_id=st.text(min_size=1, max_size=30), sampled=st.booleans()))
def test_any_text_comes_back(target):
    clean = target.user_id.encode("utf-8", "replace").decode()
    assert opened(seal(target), [KEY], now=1).target.user_id == clean
    assert opened(seal(target), [KEY], now=1).target.sampled == target.sampled


def test_the_wrong_nonce_is_refused_before_anything_is_sealed():
    with pytest.raises(ValueError, match="a nonce has 16 bytes, not 3"):
        seal(nonce=b"abc")


def test_a_token_is_of_the_format_that_is_written_down():
    raw = base64.urlsafe_b64decode(seal().removeprefix(PREFIX) + "==")
    assert raw[:16] == NONCE
    assert (len(raw) - 32) % 32 == 0
    assert json.dumps(TARGET.user_id).encode() not in raw
