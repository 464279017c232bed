import json
from math import inf, nan

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spanwatch.core.sanitise import MAX_DEPTH, MAX_ITEMS, MAX_RECORD, MAX_TEXT, Sanitiser


class Hostile:
    def __str__(self):
        raise RuntimeError


class Named(str):
    __slots__ = ()

    def __str__(self):
        raise RuntimeError


def cycle():
    found = []
    found.append(found)
    return found


@pytest.mark.parametrize(
    ("value", "kept", "cut"),
    [
        (None, None, 0),
        (True, True, 0),
        (5, 5, 0),
        (1 << 63, "9223372036854775808", 0),
        (1 << 5_000, "<int of 5001 bits>", 1),
        (1.5, 1.5, 0),
        (nan, "nan", 0),
        (-inf, "-inf", 0),
        ("text", "text", 0),
        (("a", "b"), ["a", "b"], 0),
        ([1, {"x": (2,)}], [1, {"x": [2]}], 0),
        ({1: 2}, {"1": 2}, 0),
        (b"\x00\xff", {"$bytes": "AP8="}, 0),
        (Hostile(), "<Hostile>", 1),
        ({Hostile(): 1}, {"<Hostile>": 1}, 1),
        (Named("x"), "x", 0),
        ("x" * (MAX_TEXT + 1), "x" * MAX_TEXT, 1),
    ],
)
def test_a_value_is_kept_as_json(value, kept, cut):
    safe = Sanitiser()
    assert safe.value(value) == kept
    assert safe.cut == cut


def test_a_cycle_ends_at_the_depth_limit():
    safe = Sanitiser()
    assert json.dumps(safe.value(cycle())).count("[") == MAX_DEPTH
    assert safe.cut == 1


def test_a_record_has_room_for_so_much_text_and_so_many_values():
    safe = Sanitiser()
    kept = safe.attributes({f"k{n}": "x" * MAX_TEXT for n in range(20)})
    assert sum(map(len, kept.values())) == MAX_RECORD
    assert safe.cut > 0
    safe = Sanitiser()
    assert len(safe.attributes({f"k{n}": n for n in range(MAX_ITEMS + 5)})) == MAX_ITEMS
    assert safe.cut == 1


def test_many_short_texts_are_cut_too():
    safe = Sanitiser()
    kept = safe.attributes({f"k{n}": "x" * 1_000 for n in range(2_000)})
    assert sum(map(len, kept.values())) == MAX_RECORD
    assert safe.cut > 0


def test_the_mapping_given_stays_as_it_was():
    given_ = {"a": (1, nan)}
    assert Sanitiser().attributes(given_) == {"a": [1, "nan"]}
    assert given_["a"][0] == 1
    assert Sanitiser().attributes(None) == {}


ANY = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text() | st.integers(), inner) | st.tuples(inner),
    max_leaves=20,
)


@given(st.dictionaries(st.text(), ANY, max_size=5))
def test_whatever_is_given_becomes_strict_json(source):
    json.dumps(Sanitiser().attributes(source), allow_nan=False)
