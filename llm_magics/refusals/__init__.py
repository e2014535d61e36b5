"""What endpoints refuse, or will not do just now: a refusal read, and what to ask instead or how long to wait. Pure."""
