"""Scopes: one text for one set of values, and never one for two."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spanwatch.core import names
from spanwatch.core.budgets import scope_from, scope_of

PER = (names.USER_ID, "tags.team")
VALUES = st.one_of(st.none(), st.text(max_size=300))


def test_a_scope_reads_as_its_attributes_and_values():
    assert scope_of((), {names.USER_ID: "u-1"}) == ""
    assert scope_of((names.USER_ID,), {names.USER_ID: "ann@example.com"}) == "user.id=ann@example.com"


def test_a_missing_attribute_is_a_scope_of_its_own_which_no_value_can_take():
    assert scope_of(PER, {}) == scope_of(PER, {names.USER_ID: ""}) == "user.id=?,tags.team=?"
    assert scope_of((names.USER_ID,), {names.USER_ID: "?"}) == "user.id=%3F"


@given(left=st.tuples(VALUES, VALUES), right=st.tuples(VALUES, VALUES))
def test_different_values_have_different_scopes(left, right):
    texts = [scope_of(PER, dict(zip(PER, values, strict=True))) for values in (left, right)]
    same = [value or None for value in left] == [value or None for value in right]
    assert (texts[0] == texts[1]) is same
    assert all(text.isascii() and text.isprintable() for text in texts)


@given(value=st.text(min_size=1, max_size=5_000))
def test_a_scope_is_short_however_long_the_value(value):
    assert len(scope_of((names.USER_ID,), {names.USER_ID: value})) < 4_000


def test_long_values_that_differ_at_their_ends_stay_apart():
    one, two = (scope_of((names.USER_ID,), {names.USER_ID: "u" * 1_000 + end}) for end in "ab")
    assert one != two


@given(values=st.tuples(VALUES, VALUES))
def test_a_scope_as_text_is_read_back_as_itself(values):
    text = scope_of(PER, dict(zip(PER, values, strict=True)))
    assert scope_from(text) == text


def test_a_person_may_write_a_scope_in_short():
    assert scope_from("user=u 1,tags.team=a") == "user.id=u 1,tags.team=a"
    assert scope_from("") == ""


@pytest.mark.parametrize(("text", "error"), [("u-1", "is no attribute=value"), ("usr=u-1", "unknown attribute 'usr'")])
def test_a_scope_that_cannot_be_is_named(text, error):
    with pytest.raises(ValueError, match=error):
        scope_from(text)
