"""What all dialects say together: read by the names that are there, and by what was read before."""

import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spanwatch.core.call import USAGE_FIELDS
from spanwatch.core.dialects.reading import _READ, DIALECTS, merged
from spanwatch.core.dialects.values import count, read

VALUES = st.one_of(
    st.sampled_from(["", "m" * 300, "openai", "gpt-4o", '["stop"]', "{}", 'gcp.gemini", "model": 1']),
    st.sampled_from([0, 1, 5, -1, 1 << 62, True, False, 0.0, 1.0, 5.5, float("nan"), None]),
    st.sampled_from([("stop",), ("stop", 1), [], ["stop"], ("a", True), {"model": "gpt"}]),
)
SPANS = st.dictionaries(st.sampled_from(sorted(_READ)), VALUES, max_size=12)


def plainly(attributes):
    """Row by row, dialect by dialect, from the first that knows."""
    call, usage = {}, {}
    for dialect in DIALECTS:
        if dialect.mark is not None and dialect.mark not in attributes:
            continue
        said = read(attributes, dialect.table)
        if any(part in attributes for part in dialect.parts):
            for asked in (dialect.further, dialect.tokens):
                said = said if asked is None else {**asked(attributes), **said}
        for field, value in said.items():
            (usage if field in USAGE_FIELDS else call).setdefault(field, value)
    if "service_tier" in call:
        call["price_context"] = (("service_tier", call["service_tier"]),)
    return call, usage


def typed(fields):
    return {name: (type(value), value) for name, value in fields.items()}


@given(st.lists(SPANS, min_size=1, max_size=4))
def test_spans_one_after_the_other_say_what_each_says_alone(spans):
    for attributes in [*spans, *reversed(spans)]:
        assert [*map(typed, merged(attributes))] == [*map(typed, plainly(attributes))]


def test_equal_values_of_other_types_are_not_taken_for_what_was_read_before():
    name = "gen_ai.request.stream"
    for value, stream in ((1, None), (True, True), (1.0, None), (True, True), (0, None), (False, False)):
        assert merged({name: value})[0].get("stream") is stream


@pytest.mark.parametrize("many", [lambda text: text, lambda text: (text,), lambda text: ("stop", text) * 200])
def test_what_is_long_is_read_and_not_kept(many):
    text = "m" * 100_000
    before = sys.getrefcount(text)
    for name in ("gen_ai.request.model", "gen_ai.response.finish_reasons"):
        for _ in range(2):
            merged({"gen_ai.operation.name": "chat", name: many(text)})
    assert sys.getrefcount(text) == before


def test_each_count_of_tokens_is_read_as_one():
    rows = [row for dialect in DIALECTS for row in dialect.table if row[0] in USAGE_FIELDS]
    assert {convert for _, _, convert in rows} == {count}
