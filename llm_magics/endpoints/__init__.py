"""One request to one endpoint: who is known, what is sent, the SDK's ways, patience, and what a connection met."""
