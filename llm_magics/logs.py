"""Other people's logs without keys: at DEBUG the HTTP libraries write down headers, bodies and tracebacks."""

from __future__ import annotations

import functools
import logging
from collections.abc import Iterable

from llm_magics.redaction import Redactor
from llm_magics.secrets import Secret, redactor_of

_WRITERS = ("openai", "httpx", "httpx2", "httpcore", "httpcore2", "h11", "h2", "hpack", "mcp")


def guard(keys: Iterable[Secret]) -> None:
    """From now on no logger of the HTTP libraries writes down one of these keys."""
    _guard().learn(keys)
    for name, logger in list(logging.root.manager.loggerDict.items()):
        # A filter is asked for its own logger's records alone, not for those of the loggers below.
        if isinstance(logger, logging.Logger) and name.partition(".")[0] in _WRITERS:
            logger.addFilter(_guard())


class _Guard(logging.Filter):
    """Lets every record pass, without the keys. Asked only for records that some handler wants."""

    def __init__(self) -> None:
        super().__init__()
        self._keys: set[Secret] = set()
        self._redactor: Redactor = redactor_of(())

    def learn(self, keys: Iterable[Secret]) -> None:
        """Look for these keys too."""
        self._keys |= set(keys)
        self._redactor = redactor_of(sorted(self._keys, key=Secret.reveal))

    def filter(self, record: logging.LogRecord) -> bool:
        """Change a record that holds a key."""
        try:
            said = record.getMessage()
        except (TypeError, ValueError):  # the handler will say so
            return True
        if (clean := self._redactor.text(said)) != said:
            record.msg, record.args = clean, None
        if record.exc_info:
            text = record.exc_text or logging.Formatter().formatException(record.exc_info)
            if (clean := self._redactor.text(text)) != text:
                record.exc_info, record.exc_text = None, clean
        return True


@functools.cache
def _guard() -> _Guard:
    return _Guard()
