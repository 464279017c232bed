"""A finished call as span attributes: exact names, exact types, and nothing where nothing is known."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from spanwatch.core import names
from spanwatch.core.call import USAGE_FIELDS, Call, CallStatus, Cost, Usage
from spanwatch.core.money import usd_float

Value = str | bool | int | float | Sequence[str]

COMPATIBLE_COST: tuple[str, ...] = (names.USAGE_COST,)
_USAGE_PAIRS = tuple((field, names.USAGE_ATTRIBUTES[field]) for field in USAGE_FIELDS)


def response_attributes(call: Call) -> dict[str, Value]:
    """What came back, by the convention of inference spans; a fetched response carries no usage."""
    found: dict[str, Value] = {names.CALL_ID: call.call_id}
    if call.response_id is not None:
        found[names.RESPONSE_ID] = call.response_id
    if call.response_model is not None:
        found[names.RESPONSE_MODEL] = call.response_model
    if call.finish_reasons:
        found[names.RESPONSE_FINISH_REASONS] = call.finish_reasons
    if call.stream:
        if call.time_to_first_chunk_s is not None:
            found[names.RESPONSE_TIME_TO_FIRST_CHUNK] = float(call.time_to_first_chunk_s)
        found[names.CALL_CHUNKS] = call.chunks
    if call.usage is not None and call.operation != names.FETCH_RESPONSE:
        found.update(usage_attributes(call.usage))
    if call.status is not CallStatus.OK:
        found[names.CALL_STATUS] = call.status.value
    if call.error_type is not None:
        found[names.ERROR_TYPE] = call.error_type
    elif call.status is CallStatus.ERROR:
        found[names.ERROR_TYPE] = names.ERROR_OTHER
    if call.user_id is not None:
        found[names.USER_ID] = call.user_id
    if call.conversation_id is not None:
        found[names.CONVERSATION_ID] = call.conversation_id
    return found


def usage_attributes(usage: Usage) -> dict[str, Value]:
    """Known counts only; units outside the convention go under our own prefix."""
    found: dict[str, Value] = {}
    for field, attribute in _USAGE_PAIRS:
        value = getattr(usage, field)
        if value is not None:
            found[attribute] = value
    for unit, count in usage.other:
        found[names.USAGE_OTHER_PREFIX + unit] = count
    return found


def cost_attributes(cost: Cost, compat: Sequence[str] = COMPATIBLE_COST) -> dict[str, Value]:
    """A cost as attributes; `compat` names further attributes that peers read the dollars from.

    An unknown cost has a status and a reason and no amount under any name.
    """
    found: dict[str, Value] = {names.COST_STATUS: cost.status._value_}  # as `value`, without its call
    if cost.reasons:
        found[names.COST_REASON] = cost.reasons[0].value
    if cost.nano_usd is None:
        return found
    usd = usd_float(cost.nano_usd)
    found[names.COST_USD] = usd
    for name in compat:
        found[name] = usd
    if cost.source is not None:
        found[names.COST_SOURCE] = cost.source
    if cost.price_version is not None:
        found[names.COST_PRICE_VERSION] = cost.price_version
    return found


@dataclass(slots=True)
class Totals:
    """What the calls under one span add up to; a sum is None until something known was added to it."""

    calls: int = 0
    errors: int = 0
    unpriced: int = 0
    nano_usd: int | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None
    inference_calls: int = 0
    tool_calls: int = 0

    def add(self, call: Call) -> None:
        """Count one more finished call. Failed calls without a cost are errors, not unpriced calls."""
        self.calls += 1
        self.inference_calls += call.operation in names.INFERENCE_OPERATIONS
        if call.status is CallStatus.ERROR:
            self.errors += 1
        if is_unpriced(call):
            self.unpriced += 1
        self._add_amounts(call)

    def add_tool(self) -> None:
        """Count one more tool call."""
        self.tool_calls += 1

    def add_cost(self, nano_usd: int) -> None:
        """Add an amount that belongs to no call."""
        self.nano_usd = _sum(self.nano_usd, nano_usd)

    def restate(self, before: Call, after: Call) -> None:
        """Put the stated cost of a counted call in place of the one before."""
        self.unpriced += is_unpriced(after) - is_unpriced(before)
        known, now = (0 if call.cost is None else call.cost.nano_usd or 0 for call in (before, after))
        self.add_cost(now - known)

    def settle(self, before: Call, after: Call) -> None:
        """Add the usage and cost that came late for a call which was counted without them."""
        self.unpriced += is_unpriced(after) - is_unpriced(before)
        self._add_amounts(after)

    def _add_amounts(self, call: Call) -> None:
        if call.cost is not None:
            self.nano_usd = _sum(self.nano_usd, call.cost.nano_usd)
        if call.usage is not None:
            self.input_tokens = _sum(self.input_tokens, call.usage.input_tokens)
            self.output_tokens = _sum(self.output_tokens, call.usage.output_tokens)


def is_unpriced(call: Call) -> bool:
    """Whether a call that the provider may bill has no known cost."""
    return call.status not in _NOT_BILLED and (call.cost is None or call.cost.nano_usd is None)


def rollup_attributes(totals: Totals) -> dict[str, Value]:
    """The totals of an agent, workflow or root span; sums of which nothing is known are left out."""
    found: dict[str, Value] = {
        names.ROLLUP_CALLS: totals.calls,
        names.ROLLUP_ERRORS: totals.errors,
        names.ROLLUP_UNPRICED: totals.unpriced,
    }
    if totals.nano_usd is not None:
        found[names.ROLLUP_COST_USD] = usd_float(totals.nano_usd)
    if totals.input_tokens is not None:
        found[names.ROLLUP_INPUT_TOKENS] = totals.input_tokens
    if totals.output_tokens is not None:
        found[names.ROLLUP_OUTPUT_TOKENS] = totals.output_tokens
    return found


def tool_attributes(totals: Totals) -> dict[str, Value]:
    """The tool calls of an agent, workflow or root span."""
    return {names.ROLLUP_TOOL_CALLS: totals.tool_calls}


def _sum(total: int | None, amount: int | None) -> int | None:
    return total if amount is None else (total or 0) + amount


_NOT_BILLED = frozenset({CallStatus.ERROR, CallStatus.REFUSED})
