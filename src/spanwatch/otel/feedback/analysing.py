"""analyze_feedback(): from low ratings to themes, offline or by a model."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from spanwatch.core.budgets import Budget
from spanwatch.core.errors import BudgetExceeded
from spanwatch.core.feedback.personal import impersonal
from spanwatch.core.feedback.prompting import (
    FIND,
    JOIN,
    Believed,
    Group,
    UnreadableAnswer,
    asked,
    believed,
    comments_of,
    themes_of,
)
from spanwatch.core.feedback.rating import LOW
from spanwatch.core.feedback.themes import MOST, themes
from spanwatch.core.money import to_usd
from spanwatch.otel.feedback.asking import Asker
from spanwatch.otel.feedback.collecting import home_of, window_of
from spanwatch.otel.moments import When
from spanwatch.otel.spans import workflow
from spanwatch.store.analysis import FeedbackTheme, described
from spanwatch.store.catching_up import caught_up
from spanwatch.store.feedback import rated

MAX_COMMENTS = 20_000
BATCH = 40
_SENT = 600  # characters of one comment that a model is sent
_JOINED = 60  # themes that are merged in one question


@dataclass(frozen=True, slots=True)
class FeedbackAnalysis:
    """Themes, the largest first, and what was left out on the way.

    `method` is `offline` or the model; `comments` were analysed, `others` are of no theme. Of a model's answers,
    `unknown_ids` named no comment and `repeated_ids` one that had its theme; both were dropped. `failed` questions had
    no answer that can be read. `stopped` says why not everything was asked. `cost_usd` is what the questions cost, a
    lower bound where `unpriced_calls` is not 0.
    """

    themes: tuple[FeedbackTheme, ...]
    method: str
    comments: int
    others: int
    unknown_ids: int = 0
    repeated_ids: int = 0
    failed: int = 0
    stopped: str | None = None
    calls: int = 0
    unpriced_calls: int = 0
    cost_usd: Decimal = Decimal(0)


def analyze_feedback(
    *,
    home: str | os.PathLike[str] | None = None,
    since: When | None = None,
    until: When | None = None,
    threshold: float | None = LOW,
    most: int = MOST,
    limit: int = MAX_COMMENTS,
    client: Any = None,
    model: str = "gpt-4o-mini",
    provider: str | None = None,
    budget: Budget | None = None,
    batch: int = BATCH,
) -> FeedbackAnalysis:
    """What the comments of ratings at or below `threshold` (None: of all) have in common, and the traces behind it.

    Without a client nothing leaves the process: comments are clustered by their words. With one, a model reads them in
    batches and then merges what it found: without secrets, mail addresses and numbers, as data that it is told not to
    obey, in a span of its own, and within the budget. What it answers is checked: every theme has ids of ratings.

    Args:
        home: Directory of the store; by default the configured one.
        since: From when on, an age such as `7d` or a time.
        until: Before when.
        threshold: The highest rating that is looked at.
        most: Themes that are told.
        limit: Comments that are looked at, the latest ones.
        client: An `openai.OpenAI` client, or what answers `chat.completions.create` as it does.
        model: Which of its models.
        provider: Whose prices hold for the budget; by default told by the model's name.
        budget: What the questions may cost. What does not fit is not asked, and told in `stopped`.
        batch: Comments of one question.

    Raises:
        BudgetExceeded: not even the first question fits.
        Exception: whatever the client raises at the first question; later ones are counted as failed.
        StoreError: there is no store, or it cannot be read.
        ValueError: a time is none, or a number is below 1.
    """
    for name, value in (("most", most), ("limit", limit), ("batch", batch)):
        if value < 1:
            raise ValueError(f"{name} is 1 or more, not {value}")
    with caught_up(home_of(home)) as place:
        found = rated(place, window_of(since, until), low=threshold, limit=limit, said=True)
    analysed = {each.rating.id: each for each in found}
    shown = {each.rating.id: each.rating.comment or "" for each in found}
    if client is None:
        told = themes(list(shown.items()), most=most)
        parts = described([(theme.title, theme.ids) for theme in told.themes], analysed, shown)
        return FeedbackAnalysis(tuple(parts), "offline", len(shown), len(told.others))
    with workflow("analyze_feedback"):
        reading = _Reading(Asker(client, model, budget, provider=provider))
        groups = reading.read({id_: impersonal(text, _SENT) for id_, text in shown.items()}, batch)
    return reading.told(described(groups, analysed, shown)[:most], model, len(shown))


class _Reading:
    """One analysis by a model: comments in batches, then the themes of all batches together."""

    def __init__(self, asker: Asker) -> None:
        self.asker = asker
        self.unknown = self.repeated = self.failed = 0
        self.stopped: str | None = None

    def read(self, texts: Mapping[str, str], batch: int) -> list[tuple[str, list[str]]]:
        """Titles with the ids of their comments."""
        found: list[tuple[str, list[str]]] = []
        ids = list(texts)
        for start in range(0, len(ids), batch):
            part = ids[start : start + batch]
            answer = self._ask(FIND, comments_of([texts[id_] for id_ in part]), "c", len(part))
            found += [(group.title, [part[member] for member in group.members]) for group in answer.groups]
            if self.stopped is not None:
                break
        return self._joined(found) if len(ids) > batch else found

    def told(self, parts: Sequence[FeedbackTheme], model: str, comments: int) -> FeedbackAnalysis:
        """What came of it."""
        spent = self.asker.spent
        return FeedbackAnalysis(
            themes=tuple(parts),
            method=model,
            comments=comments,
            others=comments - sum(theme.count for theme in parts),
            unknown_ids=self.unknown,
            repeated_ids=self.repeated,
            failed=self.failed,
            stopped=self.stopped,
            calls=spent.calls,
            unpriced_calls=spent.unpriced,
            cost_usd=to_usd(spent.nano_usd),
        )

    def _joined(self, found: Sequence[tuple[str, list[str]]]) -> list[tuple[str, list[str]]]:
        """Themes that say the same made one, the model's way where the budget has room for that."""
        same: dict[str, tuple[str, list[str]]] = {}
        for title, ids in found:
            same.setdefault(title.casefold(), (title, []))[1].extend(ids)
        themes = sorted(same.values(), key=lambda each: (-len(each[1]), each[0]))
        head, rest = themes[:_JOINED], themes[_JOINED:]
        if len(head) < 2 or self.stopped is not None:
            return themes
        groups = [Group(title, tuple(range(len(ids)))) for title, ids in head]
        answer = self._ask(JOIN, themes_of(groups), "t", len(head))
        joined = [(group.title, [id_ for n in group.members for id_ in head[n][1]]) for group in answer.groups]
        taken = {member for group in answer.groups for member in group.members}
        return joined + [theme for number, theme in enumerate(head) if number not in taken] + rest

    def _ask(self, instructions: str, data: Mapping[str, Any], letter: str, count: int) -> Believed:
        try:
            answer = believed(self.asker.ask(asked(instructions, data)), letter, count)
        except BudgetExceeded as error:
            if not self.asker.spent.calls:
                raise
            self.stopped = str(error)
            return Believed(())
        except Exception as error:  # a later question that fails must not cost the answers so far
            if self.asker.spent.calls < 2 and not isinstance(error, UnreadableAnswer):
                raise
            self.failed += 1
            return Believed(())
        self.unknown += answer.unknown
        self.repeated += answer.repeated
        return answer
