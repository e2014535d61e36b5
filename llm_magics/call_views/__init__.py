"""Tool calls for people: in texts, on a page, in a terminal, and for whoever decides whether they run."""
