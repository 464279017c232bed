"""What a live view shows: read again and again, as plain values; how it looks is said elsewhere."""
