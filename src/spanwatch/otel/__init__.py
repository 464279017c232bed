"""The only room that imports opentelemetry."""
