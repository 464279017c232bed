import json
from binascii import crc32

from hypothesis import given
from hypothesis import strategies as st

from spanwatch.core.call import Call, CallStatus, Cost, CostReason, CostStatus, Usage
from spanwatch.core.records import call_body, frame, lines, unframe, usage_from
from tests.journaled import call_from

USAGE = Usage(input_tokens=120, cache_read_tokens=0, other=(("web_searches", 2),))
COST = Cost(42_000, CostStatus.APPROXIMATE, (CostReason.REQUEST_MODEL,), source="genai-prices", price_version="1")
CALL = Call(
    call_id="c",
    operation="chat",
    started_ns=1,
    ended_ns=5,
    status=CallStatus.ERROR,
    usage=USAGE,
    cost=COST,
    finish_reasons=("stop",),
    price_context=(("service_tier", "flex"),),
    stream=True,
)


def test_a_record_is_a_checksum_a_payload_and_a_newline():
    data = frame("log", {"a": "é\n"})
    payload = b'{"k":"log","a":"\\u00e9\\n"}'
    assert data == b"%08x %b\n" % (crc32(payload), payload)
    (line,) = lines(data)
    assert line.payload == {"k": "log", "a": "é\n"}
    assert line.end == len(data)


def test_a_damaged_line_costs_itself_only():
    good, bad = frame("log", {"n": 1}), bytearray(frame("log", {"n": 2}))
    bad[15] ^= 1
    found = list(lines(good + bytes(bad) + good))
    assert [line.payload and line.payload["n"] for line in found] == [1, None, 1]


def test_a_torn_tail_is_left_for_the_next_read():
    data = frame("log", {"n": 1})
    assert [line.end for line in lines(data + data[:-3], start=100)] == [100 + len(data)]


def test_what_is_no_record_is_told():
    assert unframe(b"") is None
    assert unframe(b"zzzzzzzz {}") is None
    assert unframe(b"00000000 {}x") is None


def test_a_call_comes_back_as_it_was():
    assert call_from(json.loads(json.dumps(call_body(CALL)))) == CALL


def test_defaults_are_left_out_and_an_unknown_cost_is_no_zero():
    bare = Call(call_id="c", operation="chat", started_ns=1, ended_ns=2, cost=Cost(None, CostStatus.UNKNOWN))
    assert call_body(bare) == {
        "call_id": "c",
        "operation": "chat",
        "started_ns": 1,
        "ended_ns": 2,
        "cost": {"status": "unknown"},
    }
    assert call_from(call_body(bare)) == bare


def test_units_without_a_field_of_their_own_are_kept_as_others():
    assert usage_from({"input_tokens": 1, "new_unit": 2}) == Usage(input_tokens=1, other=(("new_unit", 2),))


@given(st.binary(max_size=300))
def test_any_bytes_are_read_without_an_error_and_every_end_is_behind_a_newline(data):
    for line in lines(data):
        assert data[line.end - 1 : line.end] == b"\n"


@given(st.lists(st.dictionaries(st.text(max_size=5), st.text() | st.integers() | st.none(), max_size=3), max_size=5))
def test_what_is_framed_is_read_back(bodies):
    data = b"".join(frame("log", body) for body in bodies)
    assert [line.payload for line in lines(data)] == [{"k": "log", **body} for body in bodies]
