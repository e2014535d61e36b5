"""A check of an endpoint: its course, its state, what it does to an endpoint, and what to do about what it finds."""
