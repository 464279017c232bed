"""SQLite (WAL), a projection of the journal: whoever reads first catches up."""
