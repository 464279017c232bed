"""core → text, pure and deterministic."""
