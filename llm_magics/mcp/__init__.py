"""MCP servers: how one is reached, the library that speaks to it, its task, and those of a session."""
