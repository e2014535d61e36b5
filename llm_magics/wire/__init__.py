"""Tolerant reading of what servers really send: bytes → payloads → events and one message."""

from llm_magics.wire.reply import CUMULATIVE, Reply, ServerError

__all__ = ["CUMULATIVE", "Reply", "ServerError"]
