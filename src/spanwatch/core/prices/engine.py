"""From a plan and counts to a cost: integer arithmetic, rounded once per call, half to even, to nano-USD."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from operator import attrgetter
from typing import Any

from spanwatch.core.call import USAGE_FIELDS, Cost, CostLine, CostReason, CostStatus, Usage, new_cost
from spanwatch.core.prices.plan import Plan, request_fee
from spanwatch.core.prices.rates import Quote
from spanwatch.core.prices.shape import Shape, Signed, shape_of
from spanwatch.core.prices.units import FIELD_UNITS, REQUESTS, UNITS, Count, exact

_NANO = 10**9
MAX_SHAPES = 64  # reported-unit sets remembered per plan; real traffic shows a handful

_fields = attrgetter(*USAGE_FIELDS)
_UNKNOWN = CostStatus.UNKNOWN  # an enumeration is slow to ask for its members
_INPUT = USAGE_FIELDS.index("input_tokens")
Counts = Sequence[Any]
Exact = int | Fraction


def cost_of(plan: Plan, usage: Usage, *, exclusive: bool | None = None, lines: bool = False) -> Cost:
    """What `usage` costs by `plan`. Never raises for any counts; impossible counts give `inconsistent_usage`.

    `exclusive` says whether input tokens leave out cached ones: None lets the numbers prove it (more cached than
    input), False forbids that reading.
    """
    values: Counts = _fields(usage)
    names: tuple[str, ...] = FIELD_UNITS
    if usage.other or plan.quote.minimum:
        names, values = _further(plan, usage, values)
    marks = tuple([value and 1 for value in values])
    shape = plan.shapes.get(marks) if names is FIELD_UNITS else None  # it is there for nearly all calls
    if shape is None:
        shape = _shape(plan, names, marks)
    cached = _sum(shape.cached, values) if shape.cached else 0
    total_input = values[_INPUT]
    if cached and total_input is not None and (exclusive or (exclusive is None and cached > total_input)):
        values = list(values)
        values[_INPUT] = total_input + cached
        return _flagged(_apply(plan, shape, names, values, lines=lines))
    return _apply(plan, shape, names, values, lines=lines)


def _further(plan: Plan, usage: Usage, values: Counts) -> tuple[tuple[str, ...], Counts]:
    """Counts beyond the fields of `Usage`, exact, with the least billed ones applied."""
    least = dict(plan.quote.minimum)
    names = (*FIELD_UNITS, *(name for name, _ in usage.other))
    raised = [value if value is None else exact(value) for value in (*values, *(value for _, value in usage.other))]
    for index, name in enumerate(names):
        count = raised[index]
        if count and name in least:
            raised[index] = max(count, least[name])
    return names, raised


def _shape(plan: Plan, names: tuple[str, ...], marks: tuple[Any, ...]) -> Shape:
    key = marks if names is FIELD_UNITS else (names, marks)
    shape = plan.shapes.get(key)
    if shape is None:
        shape = shape_of(plan, names, marks)
        if len(plan.shapes) < MAX_SHAPES:
            plan.shapes[key] = shape
    return shape


def _sum(terms: Signed, values: Counts) -> Count:
    total: Count = 0
    for index, sign in terms:
        total += sign * values[index]
    return total


def _apply(plan: Plan, shape: Shape, names: Sequence[str], values: Counts, *, lines: bool) -> Cost:
    if shape.status is _UNKNOWN:
        return Cost(None, shape.status, shape.reasons, detail=shape.detail)
    for part, whole in shape.nested:
        if not 0 <= values[part] <= values[whole]:
            return inconsistent(f"{names[part]} ({values[part]}) does not fit in {names[whole]} ({values[whole]})")
    for index in shape.wholes:
        if values[index] < 0:
            return _negative(plan, shape, names, values)
    for terms in shape.remainders:
        if _sum(terms, values) < 0:
            return _negative(plan, shape, names, values)
    band = bisect_left(plan.thresholds, _sum(shape.size, values)) if plan.thresholds else 0
    of_input, of_output, of_neither = shape.weights[band]
    given = made = rest = 0
    for index, weight in of_input:
        given += weight * values[index]
    for index, weight in of_output:
        made += weight * values[index]
    for index, weight in of_neither:
        rest += weight * values[index]
    total: Any = shape.fee + given + made + rest
    if type(total) is float:  # a token count was a float: again, exactly
        return _apply(plan, shape, names, [value if value is None else exact(value) for value in values], lines=lines)
    return _cost(plan, shape, (total, given, made), _lines(plan, shape, band, values) if lines else ())


def _negative(plan: Plan, shape: Shape, names: Sequence[str], values: Counts) -> Cost:
    """The cost of counts of which one is negative, or a billed one comes out so."""
    for place, terms in shape.rows:
        count = _sum(terms, values)
        if count < 0:
            return inconsistent(f"the parts of {plan.units[place].name} are {-count} more than it, or it is negative")
    negative = next(index for index in shape.wholes if values[index] < 0)
    return inconsistent(f"{names[negative]} is negative ({values[negative]})")


def _cost(plan: Plan, shape: Shape, amounts: tuple[Exact, Exact, Exact], lines: tuple[CostLine, ...]) -> Cost:
    """The cost of exact amounts: what is paid, rounded once; the list price beside it when there is a discount."""
    quote, scale, (total, given, made) = plan.quote, shape.scale, amounts
    listed = None
    if quote.discount is not None:
        listed = rounded(total, scale)
        total, given, made = total * quote.discount, given * quote.discount, made * quote.discount
    if scale != 1 or not type(given) is type(made) is type(total) is int:
        total, given, made = rounded(total, scale), rounded(given, scale), rounded(made, scale)
    return new_cost(
        total,
        shape.status,
        shape.reasons,
        quote.source,
        quote.version,
        given,
        made,
        listed,
        lines,
        shape.detail or quote.entry,
    )


def rounded(amount: Exact, scale: int) -> int:
    """An amount in nano-USD, half to even. `scale` of the amount's units are one nano-USD."""
    if type(amount) is not int:
        return round(Fraction(amount) / scale)  # Fraction rounds half to even
    nano, rest = divmod(amount, scale)
    if not rest:  # as most are: prices are whole nano-USD for a token
        return nano
    double = rest * 2
    return nano + (double > scale or (double == scale and nano & 1))


def _lines(plan: Plan, shape: Shape, band: int, values: Counts) -> tuple[CostLine, ...]:
    """One line per billed unit at list price, in the order a person reads them: input first."""
    found = []
    for place, terms in shape.rows:
        count, unit = _sum(terms, values), plan.units[place]
        if count:
            shown = count if isinstance(count, int) else float(count)
            nano = rounded(exact(count) * plan.bands[band][place], plan.scale)
            found.append(CostLine(unit.name, shown, decimal_text(plan.usd_per(place, band)), unit.per, nano))
    found.sort(key=lambda line: (UNITS[line.unit].direction or "z", len(UNITS[line.unit].dimensions), line.unit))
    if plan.per_request:
        fee = rounded(plan.per_request, plan.scale)
        found.append(CostLine(REQUESTS, 1, decimal_text(request_fee(plan.quote)), 1, fee))
    return tuple(found)


def decimal_text(value: Fraction) -> str:
    """A fraction as a plain decimal, to 24 places at most."""
    whole, places = value, 0
    while whole.denominator != 1 and places < 24:
        whole, places = whole * 10, places + 1
    digits = str(round(whole)).rjust(places + 1, "0")
    return f"{digits[:-places]}.{digits[-places:]}" if places else digits


def flat_cost(plan: Plan, seconds: float | Fraction | None, *, lines: bool = False) -> Cost:
    """The cost of a model that is free, or is priced by the second of the call, whatever its usage."""
    quote = plan.quote
    if quote.free:
        amount = Fraction(0)
    elif seconds is None or seconds < 0:
        return Cost(
            None, CostStatus.UNKNOWN, (CostReason.NO_USAGE,), detail=f"{quote.entry} is priced per second: no duration"
        )
    else:
        amount = (quote.per_second or 0) * Fraction(str(seconds)) + request_fee(quote)
    nano = amount * _NANO
    listed = None if quote.discount is None else round(nano)
    paid = round(nano * (1 if quote.discount is None else quote.discount))
    status = CostStatus.APPROXIMATE if quote.doubts else CostStatus.PRICED
    shown = _seconds_lines(quote, seconds) if lines and not quote.free and seconds is not None else ()
    part, detail = (0 if quote.free else None), quote.detail or quote.entry
    return Cost(paid, status, quote.doubts, quote.source, quote.version, part, part, listed, shown, detail)


def _seconds_lines(quote: Quote, seconds: float | Fraction) -> tuple[CostLine, ...]:
    rate, fee = quote.per_second or Fraction(0), request_fee(quote)
    spent = CostLine("seconds", float(seconds), decimal_text(rate), 1, round(rate * Fraction(str(seconds)) * _NANO))
    return (spent, CostLine(REQUESTS, 1, decimal_text(fee), 1, round(fee * _NANO))) if fee else (spent,)


def inconsistent(detail: str) -> Cost:
    """The cost of counts that contradict each other."""
    return Cost(None, CostStatus.UNKNOWN, (CostReason.INCONSISTENT_USAGE,), detail=detail)


def _flagged(cost: Cost) -> Cost:
    if cost.nano_usd is None:
        return cost
    return replace(cost, reasons=(*cost.reasons, CostReason.USAGE_EXCLUSIVE))
