"""Plain data and functions. No OTel, no I/O, no clock, no environment of its own."""
