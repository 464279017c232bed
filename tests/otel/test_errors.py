"""Exceptions as text: what no hostile one can break, and what may be said."""

import pytest

from spanwatch.otel.errors import MAX_STACK, safe_message, stack_of, stated_message


def fail(error, cause=None):
    if cause is None:
        raise error
    raise error from cause


def caught(error, cause=None):
    try:
        fail(error, cause)
    except type(error) as found:
        return found


class BadError(Exception):
    def __str__(self):
        raise RuntimeError


def test_a_stack_reads_as_python_prints_it():
    error = caught(ValueError("two"), caught(KeyError("one")))
    lines = stack_of(error, safe_message).splitlines()
    assert lines[0] == "Traceback (most recent call last):"
    assert lines[1].endswith("in caught")
    assert "KeyError: 'one'" in lines
    assert "The above exception was the direct cause of the following exception:" in lines
    assert lines[-1] == "ValueError: two"


def test_an_exception_raised_while_handling_another_says_so_unless_suppressed():
    def nested(*, suppressed):
        error = ValueError("two")
        error.__suppress_context__ = suppressed
        try:
            fail(KeyError("one"))
        except KeyError:
            return stack_of(caught(error), safe_message)

    assert "During handling of the above exception, another exception occurred:" in nested(suppressed=False)
    assert "KeyError: 'one'" in nested(suppressed=False)
    assert "KeyError: 'one'" not in nested(suppressed=True)
    assert "During handling" not in nested(suppressed=True)


def test_a_stack_without_messages_names_types_only():
    assert stack_of(ValueError("secret"), lambda _error: None) == "ValueError\n"
    assert stack_of(BadError("x"), safe_message) == f"{__name__}.BadError\n"


def test_a_stack_is_bounded_in_frames_in_causes_and_in_length():
    def even(depth):
        odd(depth - 1)

    def odd(depth):
        if depth <= 0:
            fail(ValueError("x" * 100_000))
        even(depth - 1)

    try:
        even(200)
    except ValueError as error:
        found = stack_of(error, safe_message)
    assert found.count("in even") + found.count("in odd") + found.count("in fail") == 32
    assert "in fail" in found
    assert len(found) <= MAX_STACK
    error = ValueError("0")
    for number in range(1, 50):
        error = caught(ValueError(str(number)), error)
    found = stack_of(error, safe_message)
    assert [line for line in found.splitlines() if line.startswith("ValueError")] == [
        f"ValueError: {number}" for number in range(46, 50)
    ]


def test_a_cycle_of_causes_ends():
    one, two = ValueError("one"), ValueError("two")
    one.__cause__, two.__cause__ = two, one
    assert stack_of(one, safe_message).count("ValueError") == 4


@pytest.mark.parametrize("module", ["openai", "openai._exceptions", "anthropic", "pydantic_core._pydantic_core"])
def test_messages_that_may_quote_a_prompt_need_content_on(module):
    error = type("SomeError", (Exception,), {"__module__": module})("quoted")
    assert stated_message(error, content_on=False) is None
    assert stated_message(error, content_on=True) == "quoted"


def test_other_messages_are_the_applications_own_and_lose_their_secrets():
    assert stated_message(ValueError("password=hunter2"), content_on=False) == "password=[redacted]"
    assert stated_message(BadError(), content_on=True) is None
