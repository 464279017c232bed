"""Budgets at work: calls are reserved before they are made, charged after, and what is left is told."""
