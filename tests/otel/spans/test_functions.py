"""Decorated functions of every kind: they stay what they are, and each run is a span."""

from __future__ import annotations

import asyncio
import functools
import inspect

import pytest
from opentelemetry.trace import get_current_span

import spanwatch


def test_a_decorated_function_keeps_its_name_signature_result_and_exception(told):
    @spanwatch.tool("search")
    def search(query: str, *, limit: int = 3) -> list[str]:
        """Look it up."""
        if not query:
            raise LookupError("nothing to look for")
        return [query] * limit

    assert search.__name__ == "search"
    assert search.__doc__ == "Look it up."
    assert str(inspect.signature(search)) == "(query: 'str', *, limit: 'int' = 3) -> 'list[str]'"
    assert search("a", limit=2) == ["a", "a"]
    with pytest.raises(LookupError, match="nothing to look for"):
        search("")
    assert [span.attributes["spanwatch.outcome"] for span in told.spans()] == ["ok", "error"]


def test_with_content_off_arguments_and_results_are_types_and_sizes(told):
    @spanwatch.tool("search")
    def search(query, limit, *more, **named):
        return "found it"

    search("secret", 3, [1, 2], flag=None)
    found = told.attributes("execute_tool search")
    assert found["spanwatch.input.types"] == "query: str[6], limit: int, args[0]: list[2], flag: NoneType"
    assert found["spanwatch.output.type"] == "str[8]"
    assert not [value for value in found.values() if "secret" in str(value) or "found it" in str(value)]


def test_with_content_on_a_tool_shows_its_arguments_and_result(told_content):
    @spanwatch.tool("search")
    def search(query, limit=3):
        return {"hits": ["a", "b"]}

    search("dogs", limit=2)
    found = told_content.attributes("execute_tool search")
    assert found["gen_ai.tool.call.arguments"] == '{"query":"dogs","limit":2}'
    assert found["gen_ai.tool.call.result"] == '{"hits":["a","b"]}'
    assert "spanwatch.input.types" not in found


def test_with_content_on_an_agent_shows_messages(told_content):
    @spanwatch.agent("planner")
    def plan(question):
        return "An answer."

    @spanwatch.workflow("triage")
    def triage(question, urgency):
        return None

    plan("Why?")
    triage("Why?", 3)
    found = told_content.attributes("invoke_agent planner")
    assert found["gen_ai.input.messages"] == '[{"role":"user","parts":[{"type":"text","content":"Why?"}]}]'
    assert found["gen_ai.output.messages"] == '[{"role":"assistant","parts":[{"type":"text","content":"An answer."}]}]'
    found = told_content.attributes("invoke_workflow triage")
    assert found["gen_ai.input.messages"] == (
        '[{"role":"user","parts":[{"type":"text","content":"{\\"question\\":\\"Why?\\",\\"urgency\\":3}"}]}]'
    )
    assert "gen_ai.output.messages" not in found


def test_with_content_on_a_retrieval_shows_its_query_and_documents(told_content):
    @spanwatch.retrieval("handbook")
    def look_up(query):
        return ["page 1"]

    look_up("leave")
    found = told_content.attributes("retrieval handbook")
    assert found["gen_ai.retrieval.query.text"] == "leave"
    assert found["gen_ai.retrieval.documents"] == '["page 1"]'


def test_arguments_given_to_the_scope_are_recorded_as_content_is(told, told_content):
    with spanwatch.tool("search", arguments='{"q": "dogs"}'):
        pass
    assert told_content.attributes("execute_tool search")["gen_ai.tool.call.arguments"] == '{"q": "dogs"}'


def test_arguments_given_to_the_scope_are_a_type_and_a_size_with_content_off(told):
    with spanwatch.tool("search", arguments='{"q": "dogs"}'):
        pass
    found = told.attributes("execute_tool search")
    assert found["spanwatch.input.types"] == "arguments: str[13]"


def test_coroutine_functions_stay_coroutine_functions(told):
    @spanwatch.agent("planner")
    async def plan(question):
        await asyncio.sleep(0)
        return get_current_span().name

    assert inspect.iscoroutinefunction(plan)
    assert asyncio.run(plan("Why?")) == "invoke_agent planner"
    assert told.attributes("invoke_agent planner")["spanwatch.output.type"] == "str[20]"


def test_a_cancelled_coroutine_is_cancelled(told):
    @spanwatch.agent("planner")
    async def plan():
        await asyncio.Event().wait()

    async def main():
        await asyncio.wait_for(plan(), 0.01)

    with pytest.raises(TimeoutError):
        asyncio.run(main())
    assert told.attributes("invoke_agent planner")["spanwatch.outcome"] == "cancelled"


def test_generator_functions_stay_generator_functions(told):
    @spanwatch.tool("pages")
    def pages(first, last=2):
        yield first
        return last

    @spanwatch.tool("lines")
    async def lines():
        yield 1

    assert inspect.isgeneratorfunction(pages)
    assert inspect.isasyncgenfunction(lines)
    assert str(inspect.signature(pages)) == "(first, last=2)"
    assert inspect.isgenerator(pages(1))
    assert inspect.isasyncgen(lines())
    assert pages.__name__ == pages(1).__name__ == "pages"


def test_methods_of_every_kind_work_and_do_not_count_self_as_an_argument(told):
    class Agent:
        name = "a"

        @spanwatch.tool("plain")
        def plain(self, x):
            return (self.name, x)

        @spanwatch.tool("of_class_above")
        @classmethod
        def of_class_above(cls, x):
            return (cls.name, x)

        @classmethod
        @spanwatch.tool("of_class_below")
        def of_class_below(cls, x):
            return (cls.name, x)

        @spanwatch.tool("static_above")
        @staticmethod
        def static_above(x):
            return x

        @staticmethod
        @spanwatch.tool("static_below")
        def static_below(x):
            return x

        @spanwatch.tool("later")
        async def later(self, x):
            return (self.name, x)

        @spanwatch.tool("stepwise")
        def stepwise(self, x):
            yield self.name
            yield x

    one = Agent()
    assert one.plain(1) == one.of_class_above(1) == Agent.of_class_below(1) == ("a", 1)
    assert one.static_above(1) == Agent.static_below(1) == 1
    assert asyncio.run(one.later(1)) == ("a", 1)
    assert list(one.stepwise(1)) == ["a", 1]
    assert inspect.isgeneratorfunction(one.stepwise)
    spans = told.spans()
    assert len(spans) == 7
    assert {span.attributes["spanwatch.input.types"] for span in spans} == {"x: int"}


def test_partials_bound_methods_and_callable_objects_can_be_decorated(told):
    class Adder:
        def __call__(self, x):
            return x + 1

        async def later(self, x):
            return x + 2

    assert spanwatch.tool("partial")(functools.partial(pow, 2))(3) == 8
    assert spanwatch.tool("object")(Adder())(3) == 4
    assert asyncio.run(spanwatch.tool("bound")(Adder().later)(3)) == 5
    assert told.attributes("execute_tool bound")["spanwatch.input.types"] == "x: int"
    assert len(told.spans()) == 3


def test_recursion_nests(told):
    @spanwatch.tool("count")
    def count(n):
        return n and count(n - 1)

    count(2)
    inner, middle, outer = told.spans()
    assert outer.parent is None
    assert middle.parent.span_id == outer.context.span_id
    assert inner.parent.span_id == middle.context.span_id
