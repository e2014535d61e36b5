"""What the modules of payloads share."""

from __future__ import annotations

OPEN = "\N{END OF TRANSMISSION}"  # ends a template that leaves something open; no part of it
