from pathlib import PurePosixPath

import pytest

from spanwatch.core import values


@pytest.mark.parametrize(
    ("parse", "raw", "value"),
    [
        (values.text, " a b ", "a b"),
        (values.path, PurePosixPath("a/b"), "a/b"),
        (values.path, "a/b", "a/b"),
        (values.url, "HTTPS://host:4318/base", "HTTPS://host:4318/base"),
        (values.switch, True, True),
        (values.switch, "Off", False),
        (values.content, "span_only", True),
        (values.content, "EVENT_ONLY", False),
        (values.content, "yes", True),
        (values.one_of("on", "off"), True, "on"),
        (values.one_of("on", "off"), False, "off"),
        (values.one_of("auto", "off"), "AUTO", "auto"),
        (values.number(0, 1), "0.5", 0.5),
        (values.number(0, 1), 1, 1.0),
        (values.count(0, 9), "9", 9),
        (values.names, "a, b", ("a", "b")),
        (values.names, ["a"], ("a",)),
        (values.names, "none", ()),
    ],
)
def test_a_raw_value_becomes_a_typed_one(parse, raw, value):
    found = parse(raw)
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize(
    ("parse", "raw"),
    [
        (values.text, "  "),
        (values.text, 5),
        (values.url, "localhost:4318"),
        (values.url, "ftp://host"),
        (values.url, "http:///"),
        (values.switch, "maybe"),
        (values.switch, 1),
        (values.one_of("a", "b"), "c"),
        (values.one_of("a", "b"), False),
        (values.number(0, 1), "2"),
        (values.number(0, 1), float("nan")),
        (values.number(0, 1), True),
        (values.count(0, 9), 1.0),
        (values.count(0, 9), True),
        (values.count(0, 9), "10"),
        (values.names, ["a", ""]),
        (values.names, 5),
        (values.pairs, "host"),
        (values.pairs, "=openai"),
        (values.pairs, {"host": 1}),
        (values.pairs, 5),
    ],
)
def test_a_wrong_value_is_refused(parse, raw):
    with pytest.raises((TypeError, ValueError)):
        parse(raw)


@pytest.mark.parametrize(
    ("raw", "shown"),
    [
        ("http://user:pass@host/x", "http://***@host/x"),
        ("http://host/x@y", "http://host/x@y"),
        (5, 5),
    ],
)
def test_a_url_is_shown_without_its_credentials(raw, shown):
    assert values.masked(raw) == shown


@pytest.mark.parametrize("raw", ["LLM.internal:8080=openai, b=groq", {"LLM.internal:8080": "openai", "b": "groq"}])
def test_pairs_are_read_from_text_and_from_mappings(raw):
    assert values.pairs(raw) == (("llm.internal:8080", "openai"), ("b", "groq"))
