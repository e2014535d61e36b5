"""What can go wrong, and who reads it.

LLMError
├── UserMistake            the person typing: one line; what was wrong, where, the next move (also a ValueError)
│   ├── ConfigError        a setting, its value, or the file it stands in
│   ├── MissingKey         a model whose key is not to be found
│   ├── ServerUnusable     an MCP server that cannot be reached, or not used
│   ├── UnknownModel       a name that is not in the configuration
│   ├── UnknownAnswer      a name that is not in a comparison (also a KeyError)
│   ├── PromptError        a prompt that cannot be built or sent
│   └── ToolMistake        a function that cannot be offered to a model as it is
└── CallFailed             the person waiting: three lines; what happened, where, what to do
    ├── ConnectionFailed   nobody answered
    ├── TimedOut           somebody was too slow
    ├── KeyRefused         the endpoint does not take this key
    ├── ModelNotFound      the endpoint does not know this model, or this path
    ├── RateLimited        too many requests
    │   └── OutOfCredit    no credit left: waiting does not help
    ├── RequestRefused     the endpoint does not take this request
    │   └── PromptTooLong  … because there is too much in it
    ├── ServerFailed       the endpoint broke
    ├── ProtocolBroken     what came back is not Chat Completions
    │   └── EmptyAnswer    … because there is nothing in it
    ├── CutOff             the answer stopped before its end; ``partial`` holds what arrived
    └── ToolLimit          the model went on calling tools until a bound was reached
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable

from llm_magics.key_shapes import masked
from llm_magics.printable import clean

LONGEST = 100  # characters of a word that are compared with known names; comparing takes their product


class LLMError(Exception):
    """The root of everything llm_magics raises on purpose."""


class UserMistake(LLMError, ValueError):
    """Something the person typing can mend; the magics show it as one line, without a traceback.

    ``excerpt`` is what stands below that line: a line of a file, and a caret under the place that is meant.
    """

    def __init__(self, message: str, excerpt: str = "") -> None:
        text = _line(message) + (f"\n{clean(excerpt)}" if excerpt else "")
        super().__init__(masked(text))  # it repeats what someone wrote, perhaps a key in the wrong place

    def _render_traceback_(self) -> list[str]:
        """IPython's hook: what the cell shows instead of frames."""
        return [f"{type(self).__name__}: {self}"]


class ConfigError(UserMistake):
    """A setting that cannot be used: its name, its value, or the file it stands in."""


class MissingKey(ConfigError):
    """A model whose API key is in none of the places it is looked for."""


class ServerUnusable(UserMistake):
    """An MCP server that cannot be started, reached or understood; also a call of one that did not come through."""


class UnknownModel(UserMistake):
    """A model name that the configuration does not hold."""


class UnknownAnswer(UserMistake, KeyError):
    """A name that none of a comparison's answers has."""

    __str__ = Exception.__str__  # a KeyError's would put it in quotes


class PromptError(UserMistake):
    """A prompt that cannot be built, or must not be sent."""


class ToolMistake(UserMistake):
    """A function that cannot be offered to a model as it is, or something that is no tool."""


class CallFailed(LLMError):
    """A call that did not end in a whole answer, said in three lines.

    Attributes:
        what: what happened, in one line.
        where: model, host, attempts and seconds, in one line.
        next_move: what to do about it, in one line.
        attempts: how many requests were sent; each of them may have been charged.
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
        attempts: int = 0,
        status: int | None = None,
        request_id: str | None = None,
        partial: str = "",
    ) -> None:
        super().__init__(_line(what))
        self.what, self.where, self.next_move = _line(what), _line(where), _line(next_move)
        self.attempts, self.status, self.request_id, self.partial = attempts, status, request_id, partial

    def retell(self, what: str, next_move: str) -> None:
        """Say what happened, and what to do, by somebody who knows it better."""
        self.args = (_line(what),)
        self.what, self.next_move = _line(what), _line(next_move)

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
    """Too many requests."""


class OutOfCredit(RateLimited):
    """No credit is left, or no quota."""


class RequestRefused(CallFailed):
    """The endpoint does not take this request as it is."""


class PromptTooLong(RequestRefused):
    """There is more in the prompt than the model, or its endpoint, takes."""


class ServerFailed(CallFailed):
    """The endpoint broke while answering."""


class ProtocolBroken(CallFailed):
    """What came back is not an answer in the Chat Completions form."""


class EmptyAnswer(ProtocolBroken):
    """What came back is in that form, perhaps, and holds nothing."""


class CutOff(CallFailed):
    """The answer stopped before its end."""


class ToolLimit(CallFailed):
    """The model went on calling tools until a bound was reached; all that was said and done is kept."""


def _line(said: str) -> str:
    """One line that a terminal only prints: names, paths and servers' words stand in it, which strangers chose."""
    return " ".join(clean(said).split())


def nearest(word: str, known: Iterable[str]) -> str | None:
    """The known name that ``word`` was probably meant to be, or None; first of all the only one that begins so."""
    by_fold = {name.casefold(): name for name in known}
    word = word.casefold()[:LONGEST]
    begun = [fold for fold in by_fold if len(word) > 1 and fold.startswith(word)]
    found = begun if len(begun) == 1 else difflib.get_close_matches(word, by_fold, n=1, cutoff=0.6)
    return by_fold[found[0]] if found else None


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """`` Did you mean 'x'?`` with its leading blank, or nothing."""
    name = nearest(word, known)
    return f" Did you mean {name!r}?" if name else ""


def short(value: object, limit: int = 60) -> str:
    """``repr`` of a value someone gave, cut so that a message stays one line."""
    try:
        text = repr(value[: 4 * limit] if isinstance(value, str) else value)  # with a key whole, so that it is masked
    except Exception:  # noqa: BLE001 - the value is anybody's, also a number of too many digits
        text = f"<{type(value).__name__}>"
    return cut(text, limit)


def cut(text: str, limit: int = 60) -> str:
    """Text that is not longer than this many characters, without what looks like a key."""
    text = masked(text)
    return text if len(text) <= limit else text[: limit - 1] + "…"
