"""How reported counts turn into billed counts, worked out once per plan and set of reported units.

A billed count is what is left of a unit after the priced units inside it: plain input is `input - cached - written`.
Every billed count is a sum of reported counts with signs, so the engine only adds, subtracts and multiplies.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from spanwatch.core.call import CostReason, CostStatus
from spanwatch.core.prices.plan import Plan
from spanwatch.core.prices.units import UNITS, Unit, nearest_priced

Signed = tuple[tuple[int, int], ...]  # (index of a reported count, how often it is added)
Weights = tuple[Signed, Signed, Signed]
_DIRECTIONS = ("input", "output", None)


NOT_REPORTED = "no usage was reported"


@dataclass(frozen=True, slots=True)
class Shape:
    """`rows` gives each billed unit's place in the plan and its terms; the rest says what the cost is worth.

    `weights` is the same for each band of prices, by reported count: what one of it adds to the cost, of the input, of
    the output and of neither. `fee` is what each call adds, and `scale` of these make a nano-USD. `wholes` are the
    counts that are no part of another, `remainders` the rows that can come out negative where no count is.
    """

    rows: tuple[tuple[int, Signed], ...]
    weights: tuple[Weights, ...]
    fee: int
    scale: int
    wholes: tuple[int, ...]
    remainders: tuple[Signed, ...]
    size: Signed  # total input tokens: what tiers are compared with
    cached: Signed  # tokens read from and written to cache
    nested: tuple[tuple[int, int], ...]  # (index of a part, index of its whole): a part may not exceed its whole
    status: CostStatus
    reasons: tuple[CostReason, ...]
    detail: str | None


def shape_of(plan: Plan, names: Sequence[str], marks: Sequence[object]) -> Shape:
    """The shape for counts of `names`, where a mark is None (not reported), 0 (reported as none) or truthy."""
    known = [
        (i, UNITS[name])
        for i, (name, mark) in enumerate(zip(names, marks, strict=True))
        if mark is not None and name in UNITS
    ]
    sums = {unit: {index: 1} for index, unit in known}
    used = [unit for index, unit in known if marks[index]]
    strange = [name for name, mark in zip(names, marks, strict=True) if mark and name not in UNITS]
    for unit in plan.units:
        if unit not in sums:
            _infer(unit, used, sums)
    billed: dict[Unit, dict[int, int]] = {}
    for unit in plan.units:
        if unit in sums:
            billed[unit] = _less(sums[unit], [billed[part] for part in billed if unit.contains(part)])
    status, reasons, detail = _worth(plan, [unit for _, unit in known], used, strange)
    rows = tuple((plan.units.index(unit), tuple(terms.items())) for unit, terms in billed.items() if terms)
    nested = tuple((i, j) for i, part in known if marks[i] for j, unit in known if unit.contains(part))
    weights = tuple(_weights(plan, rows, band) for band in range(len(plan.bands)))
    nano = _whole(plan, weights)
    return Shape(
        rows=rows,
        weights=tuple(_divided(band, nano) for band in weights),
        fee=plan.per_request // nano,
        scale=plan.scale // nano,
        wholes=tuple(sorted({i for _, terms in rows for i, _ in terms} - {part for part, _ in nested})),
        remainders=tuple(terms for _, terms in rows if not _proven(terms, marks, nested)),
        size=tuple(sums.get(UNITS["input_tokens"], {}).items()),
        cached=_cached(sums),
        nested=nested,
        status=status,
        reasons=reasons,
        detail=detail,
    )


def _whole(plan: Plan, weights: Sequence[Weights]) -> int:
    """A nano-USD, where all prices are whole ones: then nothing is rounded later, and the numbers are small; else 1."""
    amounts = [weight for band in weights for terms in band for _, weight in terms]
    return 1 if any(amount % plan.scale for amount in (plan.per_request, *amounts)) else plan.scale


def _divided(band: Weights, by: int) -> Weights:
    given, made, neither = (tuple((index, weight // by) for index, weight in terms) for terms in band)
    return given, made, neither


def _weights(plan: Plan, rows: Sequence[tuple[int, Signed]], band: int) -> Weights:
    """Sums of rows are sums of counts: each count with what its unit costs in all the rows that it stands in."""
    found: tuple[dict[int, int], ...] = tuple({} for _ in _DIRECTIONS)
    for place, terms in rows:
        weights = found[_DIRECTIONS.index(plan.directions[place])]
        for index, sign in terms:
            weights[index] = weights.get(index, 0) + sign * plan.bands[band][place]
    given, made, neither = (tuple(weights.items()) for weights in found)
    return given, made, neither


def _proven(terms: Signed, marks: Sequence[object], nested: Sequence[tuple[int, int]]) -> bool:
    """Whether a row cannot be negative once its counts are not, and none is more than what it is a part of."""
    whole = [index for index, sign in terms if sign == 1]
    parts = [index for index, sign in terms if sign != 1 and marks[index]]
    return not parts or (len(whole) == len(parts) == 1 and (parts[0], whole[0]) in nested and (parts[0], -1) in terms)


def _infer(unit: Unit, used: Sequence[Unit], sums: dict[Unit, dict[int, int]]) -> None:
    """Give a priced unit that was not reported the sum of its largest reported parts."""
    inside = [part for part in used if unit.contains(part)]
    largest = [part for part in inside if not any(other.contains(part) for other in inside)]
    if largest:
        sums[unit] = {}
        for part in largest:
            sums[unit] = _plus(sums[unit], sums[part], 1)


def _plus(total: dict[int, int], more: dict[int, int], sign: int) -> dict[int, int]:
    keys = {*total, *more}
    added = {key: total.get(key, 0) + sign * more.get(key, 0) for key in sorted(keys)}
    return {key: value for key, value in added.items() if value}


def _less(total: dict[int, int], parts: Sequence[dict[int, int]]) -> dict[int, int]:
    for part in parts:
        total = _plus(total, part, -1)
    return total


def _cached(sums: dict[Unit, dict[int, int]]) -> Signed:
    whole = UNITS["cache_write_tokens"] in sums
    written = ["cache_write_tokens"] if whole else ["cache_write_5m_tokens", "cache_write_1h_tokens"]
    terms: dict[int, int] = {}
    for name in ("cache_read_tokens", *written):
        terms = _plus(terms, sums.get(UNITS[name], {}), 1)
    return tuple(terms.items())


Worth = tuple[CostStatus, tuple[CostReason, ...], str | None]


def _worth(plan: Plan, known: Sequence[Unit], used: Sequence[Unit], strange: Sequence[str]) -> Worth:
    """How far a cost can be trusted. `known` units were reported, `used` ones above 0, `strange` are none."""
    if not known and not strange:
        return CostStatus.UNKNOWN, (CostReason.NO_USAGE,), NOT_REPORTED
    priced = [unit for unit in plan.units if unit.name not in plan.filled]
    around = {unit: unit if unit in priced else nearest_priced(unit, priced) for unit in used}
    unpriced = [*strange, *(unit.name for unit, by in around.items() if by is None)]
    stand_in = [unit.name for unit, by in around.items() if by not in {None, unit} and not _usual(unit, by, plan)]
    if unpriced and len(unpriced) == len(used) + len(strange):
        return CostStatus.UNKNOWN, (CostReason.NO_PRICE, CostReason.UNPRICED_UNITS), f"no price for {_listed(unpriced)}"
    missing = [unit.name for unit in plan.units if _missing(unit, plan, known)]
    lacks = [(CostReason.UNPRICED_UNITS, "price for", unpriced), (CostReason.NO_USAGE, "count of", missing)]
    if any(names for *_, names in lacks):
        text = "; ".join(f"no {what} {_listed(names)}" for _, what, names in lacks if names)
        return CostStatus.PARTIAL, tuple(reason for reason, _, names in lacks if names), text
    if stand_in or plan.quote.doubts:
        reasons = plan.quote.doubts + (CostReason.PARENT_UNIT,) * bool(stand_in)
        detail = f"{_listed(stand_in)} at the price of the unit around" if stand_in else plan.quote.detail
        return CostStatus.APPROXIMATE, reasons, detail
    return CostStatus.PRICED, (), None


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names)


def _missing(unit: Unit, plan: Plan, known: Sequence[Unit]) -> bool:
    """Whether a total that costs something was not reported, nor parts that make it up: text beside others does."""
    if unit.name not in {"input_tokens", "output_tokens"} or unit in known or not plan.quote.sheet[unit.name].base:
        return False
    inside = [dict(part.dimensions).get("modality") for part in known if unit.contains(part)]
    return not any(modality == "text" or _makes(plan.quote.entry, modality, unit.direction) for modality in inside)


def _makes(entry: str, modality: str | None, direction: str | None) -> bool:
    """Whether a model is one whose output is all of this modality: speech, images."""
    return direction == "output" and {"audio": "tts", "image": "image"}.get(modality or "", "/") in entry


# What a provider bills like its parent as a rule: (dimension, value) that a unit has beyond its priced parent.
_USUAL = {
    ("token_type", "reasoning"),
    ("token_type", "tool"),
    ("token_type", "citation"),
    ("token_type", "cache_write"),  # where no price for writes is listed, a write is plain input
    ("cache_ttl", "5m"),
    ("modality", "text"),
    ("direction", "input"),
    ("direction", "output"),
}


def _usual(unit: Unit, around: Unit, plan: Plan) -> bool:
    extra = unit.dimensions - around.dimensions
    return all(item in _USUAL or _usual_here(item, unit, around, plan.quote.entry) for item in extra)


def _usual_here(item: tuple[str, str], unit: Unit, around: Unit, entry: str) -> bool:
    """Rules for one dimension that depend on the parent or on the kind of model."""
    dimension, value = item
    if dimension == "cache_ttl":
        return ("token_type", "cache_write") not in around.dimensions
    if dimension != "modality":
        return False
    if unit.direction == "output":
        return _makes(entry, value, "output")
    return value in {"image", "video"} or entry.startswith("google/")  # Google lists audio wherever it differs
