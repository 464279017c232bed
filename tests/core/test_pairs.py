"""Attributes that leave as they are: the same JSON as the encoder's, or a refusal."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spanwatch.core import pairs as remembered
from spanwatch.core.pairs import NotPlain, pairs
from spanwatch.core.records import encode
from spanwatch.core.redact import Redactor

KEY = "sk-proj-" + "aB3dE6gH9jK2" * 4
plain_texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=60)
values = st.one_of(
    plain_texts,
    st.booleans(),
    st.integers(-(1 << 63), (1 << 63) - 1),
    st.floats(allow_nan=False, allow_infinity=False),
    st.lists(plain_texts, max_size=4).map(tuple),
)


@given(st.dictionaries(st.sampled_from(["gen_ai.agent.name", "n", "spanwatch.outcome", "a b", "x"]), values))
def test_what_is_plain_is_said_as_the_encoder_says_it(attributes):
    try:
        said = pairs(attributes)
    except NotPlain:  # a text may still look like `basic ...`
        assert Redactor().attributes(attributes) != json.loads(encode(attributes))
        return
    assert f"{{{said}}}" == encode(attributes)


def test_a_number_and_a_bool_that_are_equal_are_not_taken_for_each_other():
    assert pairs({"x": 1}) == '"x":1'
    assert pairs({"x": True}) == '"x":true'
    assert pairs({"x": 1.0}) == '"x":1.0'
    assert pairs({"x": 0.0}) == '"x":0.0'
    assert pairs({"x": -0.0}) == '"x":-0.0'
    assert pairs({"x": ("1",)}) == '"x":["1"]'


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("key", KEY),
        ("a", f"Authorization: Bearer {KEY}"),
        ("api_key", "anything"),
        (KEY, "anything"),
        ("a", "x\ud800"),
        ("a", "x" * 16_385),
        ("a", "x" * 1_025 + f" {KEY}"),
        ("a", ("x" * 1_025,)),
        ("x" * 1_025, "a"),
        ("a", float("nan")),
        ("a", float("inf")),
        ("a", 1 << 63),
        ("a", -(1 << 63) - 1),
        ("a", b"bytes"),
        ("a", None),
        ("a", ["a", "list"]),
        ("a", (1, 2)),
        ("a", (KEY,)),
        ("a", type("Text", (str,), {})("a")),
        (type("Text", (str,), {})(KEY), "a"),
        (7, "a"),
    ],
)
def test_what_has_to_be_cleaned_cut_or_hidden_is_refused(name, value):
    with pytest.raises(NotPlain):
        pairs({name: value})


@pytest.mark.parametrize(
    "value",
    [
        "http://127.0.0.1:4318/v1/",
        '{"prompt_tokens":120,"total_tokens":168}',
        "{'model_id': None, 'cache_key': None}",
        "caf\xe9",
        "\U0001f600",
        "x" * 1_024,
    ],
)
def test_what_only_may_hold_a_secret_is_looked_at_and_leaves_as_it_is(value):
    assert f"{{{pairs({'a': value, 'b': (value,)})}}}" == encode({"a": value, "b": (value,)})


def test_a_long_text_leaves_as_it_is_and_is_not_remembered():
    before = remembered.text.cache_info().currsize
    said = {"a": '{"content":"' + "word " * 1_000 + '"}'}
    assert f"{{{pairs(said)}}}" == encode(said)
    assert remembered.text.cache_info().currsize == before


def test_what_holds_a_secret_is_not_remembered():
    before = remembered.text.cache_info().currsize
    for index in range(3):
        with pytest.raises(NotPlain):
            pairs({"note": f"password={KEY}{index}"})
    assert remembered.text.cache_info().currsize == before


def test_what_is_remembered_is_bounded():
    for index in range(5_000):
        assert (
            pairs({"user.id": f"user {index}"}) == json.dumps({"user.id": f"user {index}"}, separators=(",", ":"))[1:-1]
        )
    assert remembered.text.cache_info().currsize <= 1_024
