"""Budget: how much may be spent, by whom, in which time, and what happens then."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, field
from decimal import Decimal, InvalidOperation
from typing import Any, Literal

from spanwatch.core.budgets.claims import MOST, PPM, Amount, Counter, Limits
from spanwatch.core.budgets.estimates import Asked, Estimate
from spanwatch.core.budgets.levels import Level
from spanwatch.core.budgets.scopes import Condition, attribute, conditions_of, matches, scope_of
from spanwatch.core.budgets.windows import BudgetWindow, Period, parse_window, period_of
from spanwatch.core.money import to_nano, usd_text

MAX_LEVELS = 16
Number = Decimal | int | float | str
Estimator = Callable[[Asked, Estimate], Amount]
OnLevel = Callable[[Level], object]


@dataclass(frozen=True, slots=True)
class Budget:
    """How much may be spent in each window, for each scope; validated here.

    `usd` and `tokens` (input and output together) are limits; with both, whichever is reached first. `per` names the
    attributes whose values have an account each: user.id, gen_ai.conversation.id, gen_ai.agent.name,
    gen_ai.request.model, gen_ai.provider.name, service.name (or user, conversation, agent, model, provider, service)
    and tags.NAME; () is one account for everything. `match` limits the budget to calls whose attributes fit.
    `window` is `calendar hour|day|week|month` with a time zone or in UTC, `3600s` (m, h, d, w) rolling, or `lifetime`.
    `levels` are parts of the limit that are told once per scope and window. `mode` block refuses calls, warn and
    observe let them through. A call without a price is let through and counted (`allow`), refused (`deny`) or charged
    as the given USD. `on_store_error` says what happens to calls while the ledger cannot be reached.
    `estimate` full reserves the most that a call may cost, resize lets a call that does not fit have what is left, and
    a callable `(Asked, Estimate) -> Amount` decides itself. `on_level` is called with each level that is reached, and
    again with `resolved` when its window ends or somebody gives more.

    Raises:
        TypeError: an argument is of a wrong type.
        ValueError: an argument has a value that cannot be.
    """

    name: str
    usd: Number | None = None
    tokens: int | None = None
    _: KW_ONLY
    per: str | Sequence[str] = ()
    window: str = "calendar day"
    levels: Sequence[float] = (0.8, 1.0)
    mode: Literal["block", "warn", "observe"] = "block"
    match: Mapping[str, str | Sequence[str]] = field(default_factory=dict, hash=False)
    on_unknown: Literal["allow", "deny"] | Decimal | float = "allow"
    on_store_error: Literal["open", "closed"] = "open"
    estimate: Literal["full", "resize"] | Estimator = "full"
    on_level: OnLevel | None = None
    limits: Limits = field(init=False, repr=False, compare=False)
    period: BudgetWindow = field(init=False, repr=False, compare=False)
    scopes: tuple[str, ...] = field(init=False, repr=False, compare=False)
    conditions: tuple[Condition, ...] = field(init=False, repr=False, compare=False)
    assumed_nano: int | None = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        who = f"budget {_name(self.name)!r}"
        try:
            derived = _derived(self)
        except (TypeError, ValueError) as error:
            raise type(error)(f"{who}: {error}") from None
        for key, value in derived.items():
            object.__setattr__(self, key, value)

    def counter(self, attributes: Mapping[str, Any], at: int, known: Period | None = None) -> Counter | None:
        """The account of a call that started at UNIX second `at`, or None when the budget is not for it.

        `known` is the period of an earlier call, taken again while it lasts.
        """
        if not matches(self.conditions, attributes):
            return None
        if known is None or not known.start <= at or (known.until is not None and at >= known.until):
            known = period_of(self.period, at)
        scope = scope_of(self.scopes, attributes)
        return Counter(self.name, scope, known.start, known.since, known.end, self.limits)

    def claimed(self, asked: Asked, estimate: Estimate) -> Amount | None:
        """What to reserve for a call, or None when it has no price and the budget denies such calls."""
        if callable(self.estimate):
            return self.estimate(asked, estimate)
        if estimate.nano_usd is not None or self.limits.nano_usd is None:
            return Amount(estimate.nano_usd or 0, estimate.tokens)
        if self.on_unknown == "deny":
            return None
        return Amount(self.assumed_nano or 0, estimate.tokens, 1)

    def charged(self, nano_usd: int | None, tokens: int) -> Amount:
        """What to settle for a call: `nano_usd` None is a cost that is not known."""
        if nano_usd is not None:
            return Amount(nano_usd, tokens)
        return Amount(self.assumed_nano or 0, tokens, 1)


def distinct(budgets: Iterable[Budget]) -> tuple[Budget, ...]:
    """The budgets, which must have names of their own: the ledger keeps accounts by name.

    Raises:
        TypeError: one is no Budget.
        ValueError: two have the same name.
    """
    found: dict[str, Budget] = {}
    for budget in budgets:
        if not isinstance(budget, Budget):
            raise TypeError(f"budgets must be Budget(...), not {budget!r}")
        if budget.name in found:
            raise ValueError(f"two budgets are named {budget.name!r}; names are what accounts are kept by")
        found[budget.name] = budget
    return tuple(found.values())


def _derived(budget: Budget) -> dict[str, Any]:
    usd = None if budget.usd is None else _dollars("usd", budget.usd, least=1)
    tokens = None if budget.tokens is None else _tokens(budget.tokens)
    if usd is None and tokens is None:
        raise ValueError("give a limit: usd=5, tokens=100_000, or both")
    _one_of("mode", budget.mode, ("block", "warn", "observe"))
    _one_of("on_store_error", budget.on_store_error, ("open", "closed"))
    if budget.on_level is not None and not callable(budget.on_level):
        raise TypeError(f"on_level must be a callable that takes a Level, not {budget.on_level!r}")
    if not callable(budget.estimate):
        _one_of("estimate", budget.estimate, ("full", "resize"), " or a callable (Asked, Estimate) -> Amount")
    levels, conditions = _levels(budget.levels), conditions_of(budget.match)
    scopes = _scopes(budget.per)
    ppm = tuple(round(level * PPM) for level in levels)
    return {
        "per": scopes,
        "levels": levels,
        "match": dict(budget.match),
        "limits": Limits(usd, tokens, ppm, budget.mode == "block", budget.estimate == "resize"),
        "period": parse_window(budget.window),
        "scopes": scopes,
        "conditions": conditions,
        "assumed_nano": _assumed(budget.on_unknown),
    }


def _name(name: object) -> str:
    if not isinstance(name, str):
        raise TypeError(f"a budget's name must be text, not {type(name).__name__}")
    if not name.strip() or len(name) > 100 or not name.isprintable():
        raise ValueError(f"a budget's name must be 1 to 100 printable characters, not {name!r}")
    return name


def _dollars(what: str, amount: object, *, least: int) -> int:
    if isinstance(amount, bool) or not isinstance(amount, Decimal | int | float | str):
        raise TypeError(f"{what} must be a number of US dollars, not {amount!r}")
    try:
        nano = to_nano(str(amount).strip())
    except (ValueError, InvalidOperation):
        raise ValueError(f"{what} must be a number of US dollars, not {amount!r}") from None
    if not least <= nano <= MOST:
        raise ValueError(f"{what} must be from {usd_text(least)} to {usd_text(MOST)} US dollars, not {amount}")
    return nano


def _tokens(count: object) -> int:
    if isinstance(count, bool) or not isinstance(count, int):
        raise TypeError(f"tokens must be a whole number, not {count!r}")
    if not 1 <= count <= MOST:
        raise ValueError(f"tokens must be from 1 to {MOST}, not {count}")
    return count


def _scopes(per: object) -> tuple[str, ...]:
    if not isinstance(per, Iterable):
        raise TypeError(f"per must be the name of an attribute or several, such as 'user', not {per!r}")
    given = (per,) if isinstance(per, str) else tuple(per)
    scopes = tuple(attribute(name) for name in given)
    if len(set(scopes)) < len(scopes):
        raise ValueError(f"per names an attribute twice: {', '.join(given)}")
    return scopes


def _levels(levels: object) -> tuple[float, ...]:
    if isinstance(levels, str | bytes) or not isinstance(levels, Iterable):
        raise TypeError(f"levels must be parts of the limit, such as (0.8, 1.0), not {levels!r}")
    found = tuple(levels)
    for level in found:
        if isinstance(level, bool) or not isinstance(level, int | float):
            raise TypeError(f"levels must be numbers, not {level!r}")
        if not 1 / PPM <= level <= 10:
            raise ValueError(f"levels are parts of the limit, above 0 and at most 10 (0.8 is 80 %), not {level}")
    if len(found) > MAX_LEVELS:
        raise ValueError(f"at most {MAX_LEVELS} levels, not {len(found)}")
    return tuple(sorted({round(level * PPM) / PPM for level in found}))


def _assumed(policy: object) -> int | None:
    if isinstance(policy, str):
        _one_of("on_unknown", policy, ("allow", "deny"), " or the USD to charge, such as 0.01")
        return None
    return _dollars("on_unknown", policy, least=0)


def _one_of(what: str, value: object, choices: Sequence[str], further: str = "") -> None:
    if value not in choices:
        raise ValueError(f"{what} must be one of {', '.join(map(repr, choices))}{further}, not {value!r}")
