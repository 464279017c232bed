"""Delivery: what the journal holds for collectors goes out by OTLP/HTTP, at least once and accounted for."""
