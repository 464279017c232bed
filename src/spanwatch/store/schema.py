"""The database's tables, their versions, and the way from each version to the next.

A trace id, span id or call id is lower-case hex text; times are UNIX nanoseconds; money is integer nano-USD; NULL is
unknown and never 0. `body` is a record's JSON exactly as the journal had it.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable

from spanwatch.core import names
from spanwatch.core.errors import StoreError

HOUR_NS = 3_600_000_000_000
DAY_NS = 24 * HOUR_NS

_RECORDS = """
CREATE TABLE sources (                    -- a writer: one process, until it forks
  id INTEGER PRIMARY KEY, instance TEXT NOT NULL UNIQUE, run TEXT, service TEXT, pid INTEGER, at INTEGER,
  resource TEXT NOT NULL DEFAULT '{}');
CREATE INDEX sources_by_run ON sources(run) WHERE run IS NOT NULL;

CREATE TABLE segments (                   -- how far each file of the journal has been read
  source INTEGER NOT NULL, number INTEGER NOT NULL, end INTEGER NOT NULL, PRIMARY KEY (source, number)) WITHOUT ROWID;

CREATE TABLE losses (                     -- what telemetry itself lost
  source INTEGER NOT NULL, number INTEGER NOT NULL, start INTEGER NOT NULL, at INTEGER NOT NULL,
  reason TEXT NOT NULL, kind TEXT NOT NULL, n INTEGER NOT NULL, PRIMARY KEY (source, number, start)) WITHOUT ROWID;

CREATE TABLE calls (
  id INTEGER PRIMARY KEY, call_id TEXT NOT NULL, trace_id TEXT NOT NULL, span_id TEXT, parent_span_id TEXT,
  source INTEGER NOT NULL, counted INTEGER NOT NULL, operation TEXT NOT NULL, provider TEXT,
  request_model TEXT, response_model TEXT, response_id TEXT,
  started_ns INTEGER NOT NULL, duration_ns INTEGER NOT NULL, status TEXT NOT NULL, error_type TEXT,
  stream INTEGER NOT NULL, first_chunk_s REAL, chunks INTEGER NOT NULL,
  has_usage INTEGER NOT NULL, input_tokens INTEGER, cache_read_tokens INTEGER, cache_write_tokens INTEGER,
  output_tokens INTEGER, reasoning_tokens INTEGER, more_usage TEXT,
  nano_usd INTEGER, cost_status TEXT, cost_reason TEXT, cost_source TEXT, price_version TEXT,
  finish_reasons TEXT, user_id TEXT, conversation_id TEXT, agent TEXT,
  service_tier TEXT, server_address TEXT, server_port INTEGER, api TEXT, scope TEXT, sampled INTEGER NOT NULL);
CREATE UNIQUE INDEX calls_by_trace ON calls(trace_id, call_id);
CREATE INDEX calls_by_start ON calls(started_ns);
CREATE INDEX calls_by_duration ON calls(duration_ns, started_ns) WHERE counted;
CREATE INDEX calls_by_first_chunk ON calls(first_chunk_s, started_ns) WHERE counted AND first_chunk_s IS NOT NULL;
CREATE INDEX calls_awaiting_usage ON calls(response_id) WHERE NOT has_usage AND counted AND response_id IS NOT NULL;

CREATE TABLE settlements (                -- usage that came by fetching the response of an earlier call
  response_id TEXT PRIMARY KEY, at INTEGER NOT NULL, done INTEGER NOT NULL,
  input_tokens INTEGER, cache_read_tokens INTEGER, cache_write_tokens INTEGER,
  output_tokens INTEGER, reasoning_tokens INTEGER, more_usage TEXT,
  nano_usd INTEGER, cost_status TEXT, cost_reason TEXT, cost_source TEXT, price_version TEXT) WITHOUT ROWID;

CREATE TABLE spans (
  id INTEGER PRIMARY KEY, trace_id TEXT NOT NULL, span_id TEXT NOT NULL, parent_id TEXT, source INTEGER NOT NULL,
  name TEXT NOT NULL, started_ns INTEGER NOT NULL, ended_ns INTEGER NOT NULL, failed INTEGER NOT NULL, user_id TEXT,
  body TEXT NOT NULL);
CREATE UNIQUE INDEX spans_by_trace ON spans(trace_id, span_id);

CREATE TABLE traces (
  trace_id TEXT PRIMARY KEY, started_ns INTEGER NOT NULL, ended_ns INTEGER NOT NULL) WITHOUT ROWID;
CREATE INDEX traces_by_start ON traces(started_ns);

CREATE TABLE logs (
  source INTEGER NOT NULL, number INTEGER NOT NULL, start INTEGER NOT NULL, at INTEGER NOT NULL,
  trace_id TEXT, span_id TEXT, user_id TEXT, body TEXT NOT NULL, PRIMARY KEY (source, number, start));
CREATE INDEX logs_by_time ON logs(at);
CREATE INDEX logs_by_trace ON logs(trace_id) WHERE trace_id IS NOT NULL;
"""

# Measures of calls: (name, what one call adds). Those of unknown values stay NULL.
_Measures = tuple[tuple[str, str], ...]
_FIRST_MEASURES: _Measures = (
    ("calls", "counted"),
    ("errors", "status = 'error'"),
    ("cancelled", "status = 'cancelled'"),
    ("abandoned", "status = 'abandoned'"),
    ("refused", "status = 'refused'"),
    ("without_usage", "counted AND NOT has_usage AND status <> 'error'"),
    ("unpriced", "counted AND nano_usd IS NULL AND status <> 'error'"),
    ("partial", "counted AND cost_status IS 'partial'"),
    ("approximate", "counted AND cost_status IS 'approximate'"),
    ("estimated", "counted AND cost_status IS 'estimated'"),
    ("first_chunks", "counted AND first_chunk_s IS NOT NULL"),
    ("duration_ns", "CASE WHEN counted THEN duration_ns END"),
    ("input_tokens", "CASE WHEN counted THEN input_tokens END"),
    ("cache_read_tokens", "CASE WHEN counted THEN cache_read_tokens END"),
    ("output_tokens", "CASE WHEN counted THEN output_tokens END"),
    ("reasoning_tokens", "CASE WHEN counted THEN reasoning_tokens END"),
    ("nano_usd", f"CASE WHEN counted OR operation = '{names.REPORTED_COST}' THEN nano_usd END"),
)
_CHARGED = ("charged_nano_usd", "CASE WHEN counted AND NOT has_usage THEN charged_nano_usd END")
MEASURES: _Measures = (*_FIRST_MEASURES, _CHARGED)
_SUMS = ", ".join(f"{name} INTEGER" for name, _ in _FIRST_MEASURES)


def _measured(measures: _Measures) -> str:
    return f"""
CREATE VIEW measured AS SELECT
  c.id AS id, c.started_ns AS started_ns, c.started_ns / {HOUR_NS} AS hour, c.started_ns / {DAY_NS} AS day,
  coalesce(s.run, '') AS run, coalesce(c.response_model, c.request_model, '') AS model, coalesce(c.agent, '') AS agent,
  coalesce(c.user_id, '') AS user,
  CASE WHEN counted AND nano_usd IS NULL AND status <> 'error' THEN coalesce(cost_reason, 'no_price') ELSE '' END
    AS reason,
  {", ".join(f"{term} AS {name}" for name, term in measures)}
  FROM calls c LEFT JOIN sources s ON s.id = c.source
  WHERE counted OR status = 'refused' OR operation = '{names.REPORTED_COST}';
"""  # noqa: S608 (constants)


_MEASURED = _measured(_FIRST_MEASURES)
_ROLL_UPS = f"""{_MEASURED}
CREATE TABLE hours (                      -- exact sums of `measured`, kept in step with every change of calls
  hour INTEGER NOT NULL, run TEXT NOT NULL, model TEXT NOT NULL, agent TEXT NOT NULL, reason TEXT NOT NULL,
  {_SUMS}, PRIMARY KEY (hour, run, model, agent, reason)) WITHOUT ROWID;
CREATE TABLE user_days (
  day INTEGER NOT NULL, user TEXT NOT NULL, {_SUMS}, PRIMARY KEY (day, user)) WITHOUT ROWID;
"""


def _fill_roll_ups(db: sqlite3.Connection) -> None:
    sums = ", ".join(f"sum({name})" for name, _ in _FIRST_MEASURES)
    for table, keys in (("hours", "hour, run, model, agent, reason"), ("user_days", "day, user")):
        db.execute(f"INSERT INTO {table} SELECT {keys}, {sums} FROM measured GROUP BY {keys}")  # noqa: S608 (constants)


_SAMPLES = """
CREATE TABLE meters (                     -- a process that shares the samples of its metrics, until it forks
  id INTEGER PRIMARY KEY, instance TEXT NOT NULL UNIQUE, resource TEXT NOT NULL, seen INTEGER NOT NULL);
CREATE TABLE series (                     -- one instrument and label set of one process; body is its identity as JSON
  id INTEGER PRIMARY KEY, meter INTEGER NOT NULL, name TEXT NOT NULL, body TEXT NOT NULL);
CREATE UNIQUE INDEX series_by_meter ON series(meter, body);
CREATE INDEX series_by_name ON series(name);
CREATE TABLE samples (                    -- what it stood at from then on, as doubles; NULL: reported no more
  series INTEGER NOT NULL, at INTEGER NOT NULL, anchor INTEGER NOT NULL, packed BLOB, PRIMARY KEY (series, at))
  WITHOUT ROWID;
CREATE INDEX samples_by_time ON samples(at);
"""

# Spans of requests, agents, workflows and tools: ours state an outcome, a tool's of anybody names the operation.
IS_WORK = f"instr(body, '\"{names.OUTCOME}\"') OR instr(body, '\"{names.EXECUTE_TOOL}\"')"
IS_WORK += f" OR instr(body, '\"{names.INVOKE_AGENT}\"')"
_WORK = f"""
CREATE INDEX spans_of_work ON spans(started_ns) WHERE {IS_WORK};
DROP VIEW measured;
{_MEASURED}
CREATE TABLE stated_costs (               -- what the application says that a call cost, by its span or response
  id TEXT PRIMARY KEY, at INTEGER NOT NULL, call TEXT NOT NULL, nano_usd INTEGER NOT NULL, done INTEGER NOT NULL)
  WITHOUT ROWID;
CREATE INDEX calls_by_span ON calls(span_id) WHERE span_id IS NOT NULL;
CREATE INDEX calls_by_response ON calls(response_id) WHERE response_id IS NOT NULL;
"""

_FEEDBACK = """
CREATE TABLE feedback (                   -- ratings from 1 to 5; what they lack is filled in when their trace is known
  id INTEGER PRIMARY KEY, feedback_id TEXT NOT NULL, source INTEGER NOT NULL, at INTEGER NOT NULL, kind TEXT NOT NULL,
  rating REAL, label TEXT NOT NULL, comment TEXT, tags TEXT, trace_id TEXT, span_id TEXT, reference TEXT,
  user_id TEXT, conversation_id TEXT, agent TEXT, model TEXT, app_version TEXT, prompt TEXT,
  known INTEGER NOT NULL DEFAULT 0);
CREATE UNIQUE INDEX feedback_by_id ON feedback(feedback_id);
CREATE INDEX feedback_by_time ON feedback(at);
CREATE INDEX feedback_by_trace ON feedback(trace_id) WHERE trace_id IS NOT NULL;
CREATE INDEX feedback_by_user ON feedback(user_id) WHERE user_id IS NOT NULL;
CREATE INDEX feedback_awaiting_trace ON feedback(reference) WHERE trace_id IS NULL;
CREATE INDEX feedback_awaiting_facts ON feedback(trace_id) WHERE NOT known;

CREATE TABLE interactions (               -- the application's own ids of requests
  interaction_id TEXT NOT NULL, trace_id TEXT NOT NULL, span_id TEXT NOT NULL, at INTEGER NOT NULL,
  PRIMARY KEY (interaction_id, trace_id, span_id)) WITHOUT ROWID;
CREATE INDEX interactions_by_time ON interactions(at);
CREATE INDEX calls_by_conversation ON calls(conversation_id, started_ns) WHERE conversation_id IS NOT NULL;
"""

_ESTIMATES = f"""
ALTER TABLE calls ADD COLUMN charged_nano_usd INTEGER;
ALTER TABLE hours ADD COLUMN charged_nano_usd INTEGER;
ALTER TABLE user_days ADD COLUMN charged_nano_usd INTEGER;
DROP VIEW measured;
{_measured(MEASURES)}
"""

Migration = tuple[str, Callable[[sqlite3.Connection], None]]
MIGRATIONS: tuple[Migration, ...] = (
    (_RECORDS, lambda _: None),
    (_ROLL_UPS, _fill_roll_ups),
    (_SAMPLES, lambda _: None),
    (_WORK, lambda _: None),
    (_FEEDBACK, lambda _: None),
    (_ESTIMATES, lambda _: None),
)
VERSION = len(MIGRATIONS)


def upgrade(db: sqlite3.Connection) -> None:
    """Bring an open database to our version, in one transaction.

    Raises:
        StoreError: it was written by a newer spanwatch.
        sqlite3.Error: it cannot be read or written.
    """
    if check_version(db) == VERSION:
        return
    db.execute("BEGIN IMMEDIATE")
    try:
        for statements, fill in MIGRATIONS[check_version(db) :]:  # another process may have been quicker
            for statement in statements.split(";\n"):
                db.execute(statement)
            fill(db)
        db.execute(f"PRAGMA user_version = {VERSION:d}")
    except BaseException:
        db.execute("ROLLBACK")
        raise
    db.execute("COMMIT")


def check_version(db: sqlite3.Connection) -> int:
    """The version of a database that we can read.

    Raises:
        StoreError: it was written by a newer spanwatch.
    """
    version = int(db.execute("PRAGMA user_version").fetchone()[0])
    if version > VERSION:
        raise StoreError(
            f"the store has schema version {version} and this spanwatch knows {VERSION}: upgrade spanwatch, "
            "or point SPANWATCH_HOME to another directory"
        )
    return version
