"""The directory that `spanwatch run` puts first on PYTHONPATH."""
