"""Regular expressions of matchers, against Python's own where both agree on the syntax."""

import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spanwatch.core.promql.regex import Pattern, Unsupported

atoms = st.sampled_from(
    ["a", "b", ".", "[ab]", "[^a]", "[a-c]", r"\d", r"\w", r"\.", "(a|b)", "(?:ab)", "", "ab", r"\S"]
)
marks = st.sampled_from(["", "", "*", "+", "?", "{2}", "{1,3}", "{0,}", "*?", "+?"])
parts = st.tuples(atoms, marks).map(lambda pair: pair[0] + pair[1] if pair[0] else "")
patterns = st.lists(st.lists(parts, max_size=4).map("".join), min_size=1, max_size=3).map("|".join)


@given(patterns, st.lists(st.text(alphabet="abc1.\n -", max_size=6), max_size=8))
def test_a_pattern_matches_what_pythons_own_matches(pattern, values):
    ours, theirs = Pattern(pattern), re.compile(f"(?:{pattern})", re.ASCII)
    for value in values:
        assert ours.matches(value) == (theirs.fullmatch(value) is not None), (pattern, value)


@pytest.mark.parametrize(
    ("pattern", "value", "matches"),
    [
        ("prod|staging", "staging", True),
        ("prod|staging", "stagin", False),
        ("", "", True),
        ("a|", "", True),
        ("^a.*$", "abc", True),
        ("(?i)GPT-4.*", "gpt-4o", True),
        ("(?s)a.b", "a\nb", True),
        ("a.b", "a\nb", False),
        ("gpt-4o-mini|o3", "gpt-4o-mini", True),
        ("[[:alpha:]]+[0-9]", "abc9", True),
        (r"\x41\x{42}", "AB", True),
        ("(?P<name>a)b", "ab", True),
        ("a{", "a{", True),
        ("[]a]+", "]a", True),
    ],
)
def test_a_pattern_is_anchored_and_in_the_syntax_of_re2(pattern, value, matches):
    assert Pattern(pattern).matches(value) is matches


@pytest.mark.parametrize(
    "pattern", ["(", ")", "[", "*a", "(?=a)", r"\1", r"(a)\1", "a**", "a{2000}", "(" * 100, "(a{999}){999}"]
)
def test_what_re2_lacks_and_what_is_too_large_is_refused(pattern):
    with pytest.raises(Unsupported):
        Pattern(pattern)


def test_patterns_that_take_others_exponential_time_take_linear_time():
    begun = time.perf_counter()
    assert not Pattern("(a*)*b").matches("a" * 3_000)
    assert not Pattern("(a|aa)+$").matches("a" * 3_000 + "b")
    assert time.perf_counter() - begun < 5
