"""What can go wrong, and who reads it.

LLMError
├── UserMistake            the person typing: one line; what was wrong, where, the next move (also a ValueError)
│   ├── ConfigError        a setting, its value, or the file it stands in
│   ├── MissingKey         a model whose key is not to be found
│   ├── UnknownModel       a name that is not in the configuration
│   └── PromptError        a prompt that cannot be built or sent
└── CallFailed             the person waiting: three lines; what happened, where, what to do
    ├── ConnectionFailed   nobody answered
    ├── TimedOut           somebody was too slow
    ├── KeyRefused         the endpoint does not take this key
    ├── ModelNotFound      the endpoint does not know this model, or this path
    ├── RateLimited        too many requests, or no credit left
    ├── RequestRefused     the endpoint does not take this request
    ├── ServerFailed       the endpoint broke
    ├── ProtocolBroken     what came back is not Chat Completions
    └── CutOff             the answer stopped before its end; ``partial`` holds what arrived
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class LLMError(Exception):
    """The root of everything llm_magics raises on purpose."""


class UserMistake(LLMError, ValueError):
    """Something the person typing can mend; the magics show it as one line, without a traceback."""

    def __init__(self, message: str) -> None:
        super().__init__(" ".join(message.split()))

    def _render_traceback_(self) -> list[str]:
        """IPython's hook: what the cell shows instead of frames."""
        return [f"{type(self).__name__}: {self}"]


class ConfigError(UserMistake):
    """A setting that cannot be used: its name, its value, or the file it stands in."""


class MissingKey(ConfigError):
    """A model whose API key is in none of the places it is looked for."""


class UnknownModel(UserMistake):
    """A model name that the configuration does not hold."""


class PromptError(UserMistake):
    """A prompt that cannot be built, or must not be sent."""


class CallFailed(LLMError):
    """A call that did not end in a whole answer, said in three lines.

    Attributes:
        what: what happened, in one line.
        where: model, host, attempts and seconds, in one line.
        next_move: what to do about it, in one line.
        status: the HTTP status code, where there was one.
        request_id: the endpoint's ``x-request-id``, where there was one.
        partial: the text that had arrived.
    """

    def __init__(
        self,
        what: str,
        where: str = "",
        next_move: str = "",
        *,
        status: int | None = None,
        request_id: str | None = None,
        partial: str = "",
    ) -> None:
        super().__init__(what)
        self.what, self.where, self.next_move = what, where, next_move
        self.status, self.request_id, self.partial = status, request_id, partial

    def __str__(self) -> str:
        return "\n".join(self.lines())

    def lines(self) -> list[str]:
        """What, where and what to do; empty ones left out."""
        return [line for line in (self.what, self.where, self.next_move) if line]

    def _render_traceback_(self) -> list[str]:
        """IPython's hook: three lines instead of frames, whatever ``%xmode`` says."""
        what, *rest = self.lines()
        return ["\n".join([f"{type(self).__name__}: {what}", *(f"  {line}" for line in rest)])]


class ConnectionFailed(CallFailed):
    """Nobody answered at the endpoint's address."""


class TimedOut(CallFailed):
    """The endpoint was slower than the configured timeout."""


class KeyRefused(CallFailed):
    """The endpoint does not take this key, or not for this."""


class ModelNotFound(CallFailed):
    """The endpoint does not know this model, or not this path."""


class RateLimited(CallFailed):
    """Too many requests, or no credit left."""


class RequestRefused(CallFailed):
    """The endpoint does not take this request as it is."""


class ServerFailed(CallFailed):
    """The endpoint broke while answering."""


class ProtocolBroken(CallFailed):
    """What came back is not an answer in the Chat Completions form."""


class CutOff(CallFailed):
    """The answer stopped before its end."""


def nearest(word: str, known: Iterable[str]) -> str | None:
    """The known name that ``word`` was probably meant to be, or None."""
    by_fold = {name.casefold(): name for name in known}
    found = difflib.get_close_matches(word.casefold(), by_fold, n=1, cutoff=0.6)
    return by_fold[found[0]] if found else None


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """`` Did you mean 'x'?`` with its leading blank, or nothing."""
    name = nearest(word, known)
    return f" Did you mean {name!r}?" if name else ""


def short(value: object, limit: int = 60) -> str:
    """``repr`` of a value someone gave, cut so that a message stays one line."""
    text = repr(value)
    return text if len(text) <= limit else text[: limit - 1] + "…"
