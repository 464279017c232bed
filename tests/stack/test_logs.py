"""Log records are in Loki and are found by the id of their trace."""

from stack_rig import enough, eventually, plain


def test_every_record_of_a_trace_is_found_by_its_id(stack, run):
    for trace_id in run.traces:
        mine = [record for record in run.logs if record.get("traceId") == trace_id]
        assert len(mine) >= 3
        query = f'{{service_name="proven"}} | trace_id="{trace_id}"'
        found = enough(lambda q=query: stack.loki.records(q), len(mine), query)
        assert len(found) == len(mine)
        spans = {labels["span_id"] for labels, _ in found}
        assert spans == {record["spanId"] for record in mine}
        eventually(lambda t=trace_id, s=spans: s <= stack.jaeger.spans(t).keys(), f"the spans of {trace_id}")


def test_a_record_keeps_severity_and_attributes(stack, run):
    query = '{service_name="proven"} | gen_ai_agent_name="planner"'
    found = eventually(lambda: stack.loki.records(query), query)
    assert {labels.get("severity_text") for labels, _ in found} >= {"INFO"}
    bodies = {plain(record["body"]) for record in run.logs if "body" in record}
    assert {line for _, line in found if line} <= bodies


def test_a_failed_call_is_an_event_with_its_exception(stack, run):
    query = '{service_name="proven"} | exception_type=~".*NotFoundError"'
    found = eventually(lambda: stack.loki.records(query), query)
    assert {labels["trace_id"] for labels, _ in found} == set(run.traces)
