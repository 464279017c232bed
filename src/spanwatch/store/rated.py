"""Ratings on their way into the table: found by the application's own ids, and told who and what was rated."""

from __future__ import annotations

import sqlite3
from typing import NamedTuple

from spanwatch.core import names
from spanwatch.store.rows import FEEDBACK_COLUMNS

_TARGET = FEEDBACK_COLUMNS[FEEDBACK_COLUMNS.index("trace_id") :]
_MARKS = ", ".join("?" * len(FEEDBACK_COLUMNS))

# A second record of the same rating only adds what the first did not know of its target.
INSERT = (
    f"INSERT INTO feedback ({', '.join(FEEDBACK_COLUMNS)}) VALUES ({_MARKS}) ON CONFLICT (feedback_id) DO UPDATE SET "  # noqa: S608 (constants)
    + ", ".join(f"{name} = coalesce({name}, excluded.{name})" for name in _TARGET)
)

_FOUND: tuple[str, ...] = (
    "(SELECT {what} FROM calls WHERE response_id = feedback.reference LIMIT 1)",
    "(SELECT {what} FROM interactions WHERE interaction_id = feedback.reference LIMIT 1)",
    (
        "(SELECT {what} FROM calls WHERE conversation_id = feedback.reference AND started_ns <= feedback.at "
        "ORDER BY started_ns DESC LIMIT 1)"
    ),
    "(SELECT {what} FROM calls WHERE conversation_id = feedback.reference ORDER BY started_ns LIMIT 1)",
)
_INTERACTION = f'"{names.INTERACTION_ID}"'
_SAID_INTERACTION = f"json_extract(body, '$.a.{_INTERACTION}')"
_NEW_REFERENCES = f"""
SELECT response_id FROM calls WHERE id > :call AND response_id IS NOT NULL
UNION SELECT conversation_id FROM calls WHERE id > :call AND conversation_id IS NOT NULL
UNION SELECT {_SAID_INTERACTION} FROM spans WHERE id > :span AND instr(body, '{_INTERACTION}')"""  # noqa: S608 (constants)
_NEW_TRACES = "SELECT trace_id FROM calls WHERE id > :call UNION SELECT trace_id FROM spans WHERE id > :span"

_LAST_CALL = "FROM calls c WHERE c.trace_id = feedback.trace_id AND {known} ORDER BY c.started_ns DESC LIMIT 1"
_RATED_SPAN = "FROM spans s WHERE s.trace_id = feedback.trace_id AND s.span_id = feedback.span_id"
_CALLED_SPAN = (
    "FROM spans s JOIN calls c ON c.trace_id = s.trace_id AND c.span_id = s.span_id "
    "WHERE s.trace_id = feedback.trace_id ORDER BY c.started_ns DESC LIMIT 1"
)


def _of_call(column: str, source: str) -> str:
    return f"{column} = coalesce({column}, (SELECT {source} {_LAST_CALL.format(known=f'{source} IS NOT NULL')}))"


def _said(*attributes: str) -> str:
    return " || '@' || ".join(f"json_extract(s.body, '$.a.\"{name}\"')" for name in attributes)


def _of_span(column: str, *ways: str) -> str:
    found = [f"(SELECT {way} {place})" for way in ways for place in (_RATED_SPAN, _CALLED_SPAN)]
    return f"{column} = coalesce({', '.join((column, *found))})"


_OWNER = (
    f"user_id = coalesce(user_id, (SELECT s.user_id {_RATED_SPAN}), "
    f"(SELECT c.user_id {_LAST_CALL.format(known='c.user_id IS NOT NULL')}))"
)
_CALLED = "SELECT 1 FROM calls c WHERE c.trace_id = feedback.trace_id"
_KNOWN = f"known = EXISTS (SELECT 1 {_RATED_SPAN}) OR EXISTS ({_CALLED})"
_FACTS = ", ".join(
    (
        _of_call("model", "coalesce(c.response_model, c.request_model)"),
        _of_call("agent", "c.agent"),
        _of_call("conversation_id", "c.conversation_id"),
        _OWNER,
        _of_span("app_version", _said(names.APP_VERSION)),
        _of_span("prompt", _said(names.PROMPT_NAME, names.PROMPT_VERSION), _said(names.PROMPT_NAME)),
        _KNOWN,
    )
)


# A trace that was rated as a whole is rated at its outermost span.
ROOT = f"""SELECT span_id FROM spans s WHERE s.trace_id = {{trace}} AND s.name <> '{names.USER_FEEDBACK}'
ORDER BY s.parent_id IS NOT NULL, s.started_ns LIMIT 1"""  # noqa: S608 (constants)


class Ends(NamedTuple):
    """The last row of each table before a batch."""

    rating: int
    call: int
    span: int

    @staticmethod
    def of(db: sqlite3.Connection) -> Ends:
        """As the tables are now."""
        last = "SELECT (SELECT max(id) FROM feedback), (SELECT max(id) FROM calls), (SELECT max(id) FROM spans)"
        return Ends(*(found or 0 for found in db.execute(last).fetchone()))


def complete(db: sqlite3.Connection, before: Ends) -> None:
    """Fill in what can be known since: of ratings that came with a batch, and of those that waited for its traces."""
    now, values = Ends.of(db), before._asdict()
    if now.rating > before.rating:
        _find(db, "id > :rating", values)
        _fill(db, "id > :rating AND trace_id IS NOT NULL", values)
    if (now.call > before.call or now.span > before.span) and _waiting(db):
        _find(db, f"reference IN ({_NEW_REFERENCES})", values)
        _fill(db, f"NOT known AND trace_id IN ({_NEW_TRACES})", values)


def _find(db: sqlite3.Connection, which: str, values: dict[str, int]) -> None:
    for found in _FOUND:
        trace, span = found.format(what="trace_id"), found.format(what="span_id")
        db.execute(
            f"UPDATE feedback SET span_id = {span}, trace_id = {trace} "  # noqa: S608 (constants)
            f"WHERE trace_id IS NULL AND reference IS NOT NULL AND {which}",
            values,
        )


def _fill(db: sqlite3.Connection, which: str, values: dict[str, int]) -> None:
    root = ROOT.format(trace="feedback.trace_id")
    db.execute(f"UPDATE feedback SET span_id = ({root}) WHERE span_id IS NULL AND {which}", values)  # noqa: S608 (constants)
    db.execute(f"UPDATE feedback SET {_FACTS} WHERE {which}", values)  # noqa: S608 (constants)


def _waiting(db: sqlite3.Connection) -> bool:
    question = "SELECT 1 FROM feedback WHERE NOT known LIMIT 1"
    return db.execute(question).fetchone() is not None
