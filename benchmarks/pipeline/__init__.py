"""What the shipped gateway takes: `python -m benchmarks.pipeline`."""
