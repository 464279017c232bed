import math
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spanwatch.core.feedback.rating import (
    MAX_COMMENT,
    Given,
    Rating,
    comment_of,
    id_of,
    judgement,
    rating_body,
    rating_from,
    tags_of,
)


@pytest.mark.parametrize(
    ("said", "found"),
    [
        ({"rating": 1}, Given("rating", 1.0, "1")),
        ({"rating": 4.5}, Given("rating", 4.5, "5")),
        ({"rating": Decimal("2.4")}, Given("rating", 2.4, "2")),
        ({"score": 0}, Given("score", 1.0, "1")),
        ({"score": 0.75}, Given("score", 4.0, "4")),
        ({"label": "up"}, Given("label", 5.0, "up")),
        ({"label": "Thumbs-Down"}, Given("label", 1.0, "thumbs_down")),
        ({"label": "👎🏽"}, Given("label", 1.0, "down")),
        ({"label": "too_long"}, Given("label", None, "too_long")),
    ],
)
def test_a_judgement_is_put_on_one_scale(said, found):
    assert judgement(**said) == found


@pytest.mark.parametrize(
    ("said", "kind", "text"),
    [
        ({}, ValueError, "exactly one of rating=1..5, score=0.0..1.0 and label='up'; none was given"),
        ({"rating": 1, "label": "up"}, ValueError, "not rating and label together"),
        ({"rating": 0}, ValueError, "rating must be from 1 to 5, not 0"),
        ({"rating": 6}, ValueError, "rating must be from 1 to 5, not 6"),
        ({"rating": math.nan}, ValueError, "rating must be from 1 to 5, not nan"),
        ({"rating": True}, TypeError, "rating must be a number, not bool"),
        ({"rating": "5"}, TypeError, "rating must be a number, not str"),
        ({"rating": 10**400}, ValueError, "rating must be from 1 to 5, not 1000"),
        ({"score": -0.1}, ValueError, "score must be from 0 to 1, not -0.1"),
        ({"score": math.inf}, ValueError, "score must be from 0 to 1, not inf"),
        ({"label": "<script>"}, ValueError, "label must be a short word"),
        ({"label": ""}, ValueError, "label must be a short word"),
        ({"label": "x" * 33}, ValueError, "at most 32"),
        ({"label": 1}, TypeError, "label must be a text, not int"),
    ],
)
def test_a_wrong_judgement_says_what_is_wrong_with_it(said, kind, text):
    with pytest.raises(kind) as error:
        judgement(**said)
    assert text in str(error.value)
    assert len(str(error.value)) < 200


@pytest.mark.parametrize("text", ["👍🏽 great ❤️", "لم يعمل على الإطلاق", "\u202ereversed\u202c", "很慢", "a\nb"])
def test_emoji_and_right_to_left_text_stay_as_they_are(text):
    assert comment_of(text) == text


def test_a_comment_of_a_megabyte_is_cut_and_says_how_long_it_was():
    found = comment_of("слишком длинно " * 70_000)
    assert len(found) == MAX_COMMENT
    assert found.endswith("characters]")


def test_a_comment_loses_secrets_and_lone_surrogates():
    assert comment_of("my key is sk-proj-abcDEF0123456789abcd ok \ud800") == "my key is [redacted] ok \ufffd"


def test_an_empty_comment_is_none():
    assert comment_of("  \n ") is None
    assert comment_of(None) is None


def test_ids_and_tags_are_bounded():
    assert id_of("user_id", 42) == "42"
    assert tags_of("vip") == ("vip",)
    assert tags_of(["a", "b", "a"]) == ("a", "b")
    for wrong, kind in ((" ", ValueError), ("x" * 257, ValueError), (True, TypeError), (1.5, TypeError)):
        with pytest.raises(kind, match="user_id"):
            id_of("user_id", wrong)
    for wrong, kind in (([""], ValueError), (["x" * 65], ValueError), ([1], TypeError), (7, TypeError)):
        with pytest.raises(kind, match="tag"):
            tags_of(wrong)
    with pytest.raises(ValueError, match="more than 16 tags"):
        tags_of(map(str, range(17)))


@given(st.text(max_size=50), st.floats(1, 5), st.lists(st.text(min_size=1, max_size=5), max_size=3))
def test_a_rating_comes_back_from_its_record_as_it_was(text, value, tags):
    rating = Rating("i", 5, "rating", value, "3", comment=text or None, tags=tuple(tags), user_id="u")
    assert rating_from(rating_body(rating)) == rating


def test_a_label_without_a_place_on_the_scale_comes_back_too():
    rating = Rating("i", 5, "label", None, "confusing")
    assert rating_from(rating_body(rating)) == rating


@pytest.mark.parametrize("wrong", [{"rating": 9}, {"rating": "x"}, {"id": None, "nothing": 1}])
def test_a_record_that_is_no_rating_is_refused(wrong):
    body = {"id": "i", "at_ns": 1, "kind": "rating", "label": "1", **wrong}
    if "nothing" in wrong:
        del body["id"], body["at_ns"]
    with pytest.raises((TypeError, ValueError)):
        rating_from(body)
