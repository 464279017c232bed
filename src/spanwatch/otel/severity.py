"""Levels of the standard library's logging as severities of OTel."""

from __future__ import annotations

import logging

from opentelemetry._logs import SeverityNumber

_WORDS = {
    "trace": SeverityNumber.TRACE,
    "debug": SeverityNumber.DEBUG,
    "info": SeverityNumber.INFO,
    "warn": SeverityNumber.WARN,
    "warning": SeverityNumber.WARN,
    "error": SeverityNumber.ERROR,
    "exception": SeverityNumber.ERROR,
    "fatal": SeverityNumber.FATAL,
    "critical": SeverityNumber.FATAL,
}
_LEVELS = (
    (logging.CRITICAL, SeverityNumber.FATAL),
    (logging.ERROR, SeverityNumber.ERROR),
    (logging.WARNING, SeverityNumber.WARN),
    (logging.INFO, SeverityNumber.INFO),
    (logging.DEBUG, SeverityNumber.DEBUG),
)


def severity_of(level: object) -> SeverityNumber:
    """The severity of a level by number or word; what is neither counts as info."""
    if isinstance(level, str):
        return _WORDS.get(level.strip().lower(), SeverityNumber.INFO)
    if not isinstance(level, int) or isinstance(level, bool):
        return SeverityNumber.INFO
    return next((severity for floor, severity in _LEVELS if level >= floor), SeverityNumber.TRACE)
