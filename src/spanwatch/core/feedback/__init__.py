"""Feedback: ratings, tokens, averages, trends and themes; pure."""
