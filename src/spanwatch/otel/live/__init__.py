"""What the process's metrics said lately: a reader, a ring of its samples, and the questions asked of them."""
