"""Traces: latest first, and one as a tree, whatever its spans say of their parents."""

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spanwatch.core.call import CallStatus, Usage
from spanwatch.core.errors import StoreError, UsageError
from spanwatch.store.projection import project
from spanwatch.store.trace import _Node, _ordered, _summed, trace
from spanwatch.store.traces import traces
from tests.store.rig import SECOND, START_NS, call, keep, new_id, span, unknown

TRACE = "ab" + "0" * 30


def made(number, parent=None, **changes):
    body = span(t=TRACE, s=f"{number:016x}", n=f"span {number}", b=START_NS + number, **changes)
    return {**body, "p": f"{parent:016x}"} if parent is not None else body


def called(number, **changes):
    return call(trace_id=TRACE, span_id=f"{number:016x}", started_ns=START_NS + number, **changes)


def tree(home, *records, spans=(), prefix="ab"):
    keep(home, *records, spans=spans)
    project(home)
    return trace(home, prefix)


def drawn(found):
    return [(line.depth, line.name, line.note) for line in found.lines]


def test_spans_stand_below_their_parents_in_order_of_start(tmp_path):
    found = tree(tmp_path, spans=[made(4, 1), made(3, 2), made(2, 1), made(1)])
    assert [(line.depth, line.name, line.last) for line in found.lines] == [
        (0, "span 1", True), (1, "span 2", False), (2, "span 3", True), (1, "span 4", True),
    ]  # fmt: skip
    assert (found.spans, found.unsampled, found.trace_id) == (4, 0, TRACE)


def test_sums_roll_up_from_calls_and_unknown_stays_unknown(tmp_path):
    calls = [
        called(3),
        called(4, usage=Usage(input_tokens=1)),
        called(5, status=CallStatus.ERROR, **unknown()),
        called(6, **unknown()),
    ]
    spans = [made(1), made(2, 1), *(made(n, 2) for n in (3, 4, 5)), made(6, 1), made(7, 1)]
    lines = {line.name: line for line in tree(tmp_path, *calls, spans=spans).lines}
    root, agent, idle = (lines[f"span {n}"].total for n in (1, 2, 7))
    assert (root.calls, root.errors, root.unpriced, root.nano_usd, root.is_lower_bound) == (4, 1, 1, 2_000, True)
    assert (agent.calls, agent.errors, agent.unpriced, agent.is_lower_bound) == (3, 1, 0, False)
    assert (agent.input_tokens, agent.cache_read_tokens, agent.output_tokens) == (101, 40, 10)
    assert (idle.calls, idle.input_tokens, idle.nano_usd) == (0, None, None)
    assert lines["span 6"].total.nano_usd is None
    assert lines["span 3"].call.nano_usd == 1_000


def test_a_span_whose_parent_is_missing_is_a_root_that_says_so(tmp_path):
    assert drawn(tree(tmp_path, spans=[made(1), made(2, 99), made(3, 2)])) == [
        (0, "span 1", None), (0, "span 2", "parent missing"), (1, "span 3", None),
    ]  # fmt: skip


@pytest.mark.parametrize("attributes", [False, True])
def test_a_span_that_failed_says_how_it_ended_and_others_say_nothing(tmp_path, attributes):
    refused = {"spanwatch.outcome": "refused", "error.type": "spanwatch.BudgetExceeded"}
    keep(
        tmp_path,
        spans=[
            made(1, a={"spanwatch.outcome": "ok"}),
            made(2, 1, st=[2, None], a=refused),
            made(3, 1, st=[2, None], a={"error.type": "TimeoutError"}),
            made(4, 1, st=[2, None]),
        ],
    )
    project(tmp_path)
    lines = trace(tmp_path, "ab", attributes=attributes).lines
    assert [line.ending for line in lines] == [None, "refused spanwatch.BudgetExceeded", "error TimeoutError", "error"]
    assert [bool(line.attributes) for line in lines] == [attributes, attributes, attributes, False]


@pytest.mark.parametrize("parents", [{1: 1}, {1: 2, 2: 1}, {1: 3, 2: 1, 3: 2}])
def test_a_circle_is_opened_at_its_earliest_span(tmp_path, parents):
    found = tree(tmp_path, spans=[made(n, parent) for n, parent in parents.items()])
    assert len(found.lines) == len(parents)
    assert drawn(found)[0] == (0, "span 1", "parents form a circle")


def test_a_span_that_comes_twice_is_there_once(tmp_path):
    assert len(tree(tmp_path, spans=[made(1), made(1), made(2, 1), made(2)]).lines) == 2


def test_calls_without_a_sampled_span_are_there_and_counted(tmp_path):
    below = called(9, sampled=False, parent_span_id=f"{1:016x}")
    alone = called(8, sampled=False)
    found = tree(tmp_path, below, alone, spans=[made(1)])
    assert drawn(found) == [(0, "span 1", None), (1, "chat gpt-4o", "not sampled"), (0, "chat gpt-4o", "not sampled")]
    assert (found.spans, found.unsampled, found.total.calls, found.lines[0].total.calls) == (1, 2, 2, 1)


def test_two_calls_on_one_span_are_both_there(tmp_path):
    found = tree(tmp_path, called(1), called(1), spans=[made(1)])
    assert (len(found.lines), found.lines[0].total.calls, found.total.nano_usd) == (2, 2, 2_000)


def test_refused_calls_and_fetches_are_no_calls(tmp_path):
    refused = called(1, status=CallStatus.REFUSED, **unknown())
    fetch = called(2, operation="fetch_response")
    total = tree(tmp_path, refused, fetch, spans=[made(1), made(2)]).total
    assert (total.calls, total.refused, total.unpriced, total.nano_usd) == (0, 1, 0, None)


def test_a_beginning_of_an_id_will_do_where_it_is_unique(tmp_path):
    keep(tmp_path, spans=[span(t="abc" + "0" * 29), span(t="abd" + "0" * 29)])
    project(tmp_path)
    assert trace(tmp_path, "ABC").trace_id.startswith("abc")
    assert trace(tmp_path, "abd" + "0" * 29).trace_id.startswith("abd")
    with pytest.raises(UsageError, match=r"more than one trace begins with ab: abc0+, abd0+; give more"):
        trace(tmp_path, "ab")
    with pytest.raises(StoreError, match=r"no trace in .* begins with ff; spanwatch traces lists them"):
        trace(tmp_path, "ff")
    for wrong in ("", "xyz", "a%", "a" * 33):
        with pytest.raises(UsageError, match="hexadecimal"):
            trace(tmp_path, wrong)


nodes = st.lists(
    st.tuples(st.integers(0, 12), st.one_of(st.none(), st.integers(0, 14))), max_size=13, unique_by=lambda pair: pair[0]
)


@given(nodes)
@settings(max_examples=300, deadline=None)
def test_any_parents_at_all_give_each_span_exactly_once_below_its_parent(pairs):
    made = [_Node(f"{n:x}", None if p is None else f"{p:x}", str(n), n, n, False, *[None] * 5) for n, p in pairs]
    found = _summed(TRACE, 0, 0, list(_ordered(made)))
    assert sorted(line.span_id for line in found.lines) == sorted(node.span_id for node in made)
    path = []
    for line in found.lines:
        del path[line.depth :]
        assert len(path) == line.depth
        assert not path or path[-1] == line.parent_span_id
        assert path or line.parent_span_id is None or line.note
        path.append(line.span_id)


def test_a_chain_and_a_fan_of_20000_spans_are_read_in_linear_time(tmp_path):
    chain = [made(n, n - 1 or None) for n in range(1, 20_001)]
    fan = [span(t="cd" + "0" * 30, s=f"{n:016x}", **({"p": f"{1:016x}"} if n > 1 else {})) for n in range(1, 20_001)]
    keep(tmp_path, spans=[*chain, *fan])
    project(tmp_path)
    began = time.process_time()
    assert trace(tmp_path, "ab").lines[-1].depth == 19_999
    assert max(line.depth for line in trace(tmp_path, "cd").lines) == 1
    assert time.process_time() - began < 5  # 0.5 s; a quadratic walk takes minutes


def test_the_latest_traces_come_first_with_their_root_and_sums(tmp_path):
    old = [span(t="1" * 32, n="old root", b=START_NS, e=START_NS + 5 * SECOND)]
    new = [
        span(t="2" * 32, s="b" * 16, n="child", p="a" * 16, b=START_NS + SECOND),
        span(t="2" * 32, s="a" * 16, n="root", b=START_NS + SECOND, e=START_NS + 3 * SECOND, st=[2, "boom"]),
    ]
    late = {"trace_id": "2" * 32, "started_ns": START_NS + SECOND}
    keep(tmp_path, call(**late), call(**late, **unknown()), spans=[*old, *new])
    project(tmp_path)
    newest, oldest = traces(tmp_path)
    assert (oldest.name, oldest.failed, oldest.sums.calls, oldest.sums.nano_usd) == ("old root", False, 0, None)
    assert (newest.name, newest.failed, newest.service, newest.spans, newest.sampled) == ("root", True, "svc", 2, True)
    assert (newest.started_ns, newest.ended_ns) == (START_NS + SECOND, START_NS + 3 * SECOND)
    assert (newest.sums.calls, newest.sums.unpriced, newest.sums.nano_usd) == (2, 1, 1_000)
    assert [line.trace_id for line in traces(tmp_path, limit=1)] == ["2" * 32]


def test_a_trace_that_was_not_sampled_is_named_after_its_first_call(tmp_path):
    keep(tmp_path, call(trace_id=TRACE, sampled=False))
    project(tmp_path)
    (line,) = traces(tmp_path)
    assert (line.name, line.sampled, line.spans, line.sums.calls) == ("chat gpt-4o", False, 0, 1)


def test_calls_of_no_trace_are_no_trace(tmp_path):
    keep(tmp_path, call(trace_id=None), spans=[span(t=new_id())])
    project(tmp_path)
    assert len(traces(tmp_path)) == 1
