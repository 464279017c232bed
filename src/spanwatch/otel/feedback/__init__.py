"""Feedback: what users say, tied to what the agent did."""

from __future__ import annotations

from spanwatch.otel.feedback.analysing import FeedbackAnalysis, analyze_feedback
from spanwatch.otel.feedback.collecting import FeedbackCollector
from spanwatch.otel.feedback.doors import feedback_app, feedback_wsgi
from spanwatch.otel.feedback.giving import Feedback, feedback, feedback_token
from spanwatch.store.analysis import FeedbackTheme

__all__ = [
    "Feedback",
    "FeedbackAnalysis",
    "FeedbackCollector",
    "FeedbackTheme",
    "analyze_feedback",
    "feedback",
    "feedback_app",
    "feedback_token",
    "feedback_wsgi",
]
