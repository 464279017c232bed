"""Spans that say at their end only that they are model calls, around spans that report the same call."""

import gc

import pytest
from opentelemetry.trace import set_span_in_context

import spanwatch
from spanwatch.core import names
from tests.otel.rig import AGENT, REQUEST, Rig

USAGE = {"gen_ai.usage.input_tokens": 10, "gen_ai.usage.output_tokens": 5}
RESPONSE = {"gen_ai.response.id": "r1"}


@pytest.fixture
def rig(tmp_path):
    rig = Rig(tmp_path)
    yield rig
    rig.close()


def begun(rig, scope, name, around=None, **attributes):
    context = None if around is None else set_span_in_context(around)
    return rig.provider.get_tracer(scope).start_span(name, context, attributes=attributes)


def sums(rig):
    """Calls, input tokens and nano-dollars in the metrics."""
    dollars = rig.total(names.COST_USD)
    return rig.total(names.CALLS.name), rig.total(names.INPUT_TOKENS.name), round(dollars * 1e9)


@pytest.mark.parametrize("told", [{}, RESPONSE], ids=["without an id", "with one"])
def test_what_the_outer_one_knows_at_its_end_the_counted_one_inside_gets(rig, told):
    agent = begun(rig, "a.framework", "agent", **AGENT)
    outermost = begun(rig, "a.gateway", "outermost", agent)
    outer = begun(rig, "a.framework", "outer", outermost)
    begun(rig, "an.engine", "inner", outer, **REQUEST, **told).end()
    for span in (outer, outermost):
        span.set_attributes({**REQUEST, **USAGE, **told})
        span.end()
    agent.end()
    before, after = rig.calls()
    assert (before.call_id, before.usage) == (after.call_id, None)
    assert (after.scope, after.usage.input_tokens, after.cost.nano_usd) == ("an.engine", 10, 15)
    assert sums(rig) == (1, 10, 15)
    spans = rig.spans()
    assert spans["outer"]["spanwatch.call.duplicate"] is True
    assert (spans["agent"]["spanwatch.rollup.calls"], spans["agent"]["spanwatch.rollup.cost.usd"]) == (1, 1.5e-08)


def test_of_two_counted_inside_neither_gets_what_the_outer_one_sums_up(rig):
    outer = begun(rig, "a.framework", "outer")
    for name in ("first", "second"):
        begun(rig, "an.engine", name, outer, **REQUEST).end()
    outer.set_attributes({**REQUEST, **USAGE})
    outer.end()
    assert [call.usage for call in rig.calls()] == [None, None]
    assert rig.total(names.CALLS.name) == 2


@pytest.mark.parametrize("begins", [{}, {"openinference.span.kind": "LLM"}], ids=["bare", "openinference"])
def test_one_that_ended_and_is_gone_before_the_span_inside_counts_alone(rig, begins):
    outer = begun(rig, "a.framework", "outer", **begins)
    inner = begun(rig, "a.framework", "inner", outer, **REQUEST)
    outer.set_attributes({**REQUEST, **USAGE})
    outer.end()
    rig.exporter.clear()
    del outer
    gc.collect()
    inner.set_attributes(USAGE)
    inner.end()
    assert len(rig.calls()) == 1
    assert sums(rig) == (1, 10, 15)


def test_a_span_whose_operation_is_no_text_is_stamped_as_any_other(rig):
    with spanwatch.request(user_id="alice"):
        begun(rig, "a.framework", "odd", **{names.OPERATION_NAME: {"a": 1}}).end()
    assert rig.spans()["odd"][names.USER_ID] == "alice"
    assert not rig.guard.failures
