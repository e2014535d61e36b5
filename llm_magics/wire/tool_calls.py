"""Tool calls put together from the pieces they arrive in, whatever the server makes of indexes, ids and names."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from typing import Any

from llm_magics.surrogates import Surrogates, sendable, sendable_json

LONGEST_NAME = 256  # characters; no tool has a name of more than 64


class ToolCall:
    """One tool call as its pieces arrive.

    Args:
        slot: its place among the calls of this answer.
        index: the index the server gave it, if it gave one.
        before: the call that its first piece might have continued; a nameless one is called like that.
    """

    def __init__(self, slot: int, index: int | None, before: ToolCall | None) -> None:
        self.slot = slot
        self.index = index
        self.id = ""
        self._kind = "function"
        self._name = ""
        self._name_before = before._name if before is not None else ""
        self._arguments: list[str] = []
        self._surrogates = Surrogates()
        self._end = _JsonEnd()
        self._complete = ""  # the arguments when they first were an object with something in it
        self._extra: dict[str, Any] = {}

    def begins_another(self, piece: Mapping[str, Any]) -> bool:
        """Whether this piece cannot be a continuation of this call: another id, another name (unless it goes on
        with one that comes in pieces), or more arguments behind arguments that are complete."""
        id_, inner = word(piece.get("id")), tool_inner(piece)
        if id_ and self.id and id_ != self.id:
            return True
        name = _name_of(inner)
        if name and self._name and name != self._name and not self._names_on(piece):
            return True
        brings_more = self._end.reached and _arguments_of(inner).lstrip().startswith("{")
        return brings_more and (bool(id_ or name) or not self._end.blank)

    def _names_on(self, piece: Mapping[str, Any]) -> bool:
        """Whether a name in this piece goes on with this call's: no arguments have come, and the piece has this call's
        id, or its index and none of what a call begins with besides its name."""
        if "".join(self._arguments).strip():
            return False
        if id_ := word(piece.get("id")):
            return id_ == self.id
        same_place = is_index(piece.get("index")) and piece["index"] == self.index
        return same_place and tool_inner(piece).get("arguments") is None

    def is_told_again(self, piece: Mapping[str, Any]) -> bool:
        """Whether this piece only repeats all of this call: some servers end a stream with each call once more.

        Without an index or an id of this call, a name makes another call of it, however equal.
        """
        if not self._complete:
            return False
        id_, inner, index = word(piece.get("id")), tool_inner(piece), piece.get("index")
        name, arguments = word(inner.get("name")), _arguments_of(inner).strip()
        is_here = bool(id_ and id_ == self.id) or (is_index(index) and index == self.index) or not name
        if not arguments or not is_here or (id_ and self.id and id_ != self.id) or (name and name != self._name):
            return False
        return self._complete in (arguments, _text_in(arguments))

    def add(self, piece: Mapping[str, Any]) -> tuple[str, str]:
        """Take a piece in; what is new of the name, and the arguments it brought."""
        self.id = self.id or word(piece.get("id")) or ""
        inner = tool_inner(piece)
        if isinstance(piece.get("custom"), dict):
            self._kind = "custom"
        if "extra_content" in piece:  # Gemini's thought signature must be sent back
            self._extra["extra_content"] = sendable_json(piece["extra_content"])
        name = _name_of(inner).removeprefix(self._name)  # whole each time, or a further piece
        name = name[: LONGEST_NAME - len(self._name)]
        self._name += name
        arguments = self._surrogates.join(_arguments_of(inner))
        if arguments and self._kind == "function":
            if self._end.reached and self._end.blank:
                self._arguments, self._end = [], _JsonEnd()  # {} held the place until the real ones came
            self._end.feed(arguments)
        self._arguments.append(arguments)
        if self._end.reached and not self._end.blank and not self._complete:
            self._complete = "".join(self._arguments).strip()
        return name, arguments

    def as_dict(self) -> dict[str, Any]:
        """The call in the SDK's form, with an empty id where the server gave none."""
        arguments, name = "".join(self._arguments) + self._surrogates.rest, self._name or self._name_before
        if self._kind == "custom":
            body = {"custom": {"name": name, "input": arguments}}
        else:
            body = {"function": {"name": name, "arguments": arguments if arguments.strip() else "{}"}}
        return {"id": self.id, "type": self._kind, **body, **self._extra}


def with_own_ids(calls: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Calls each with an id that no other has; one that must be made up depends on nothing but the calls themselves."""
    taken: set[str] = set()
    for place, call in enumerate(calls):
        made_up = hashlib.blake2s(f"{place} {_dumps(call)}".encode(), digest_size=6).hexdigest()
        id_ = own = call["id"] or f"call_{made_up}"
        count = 1
        while own in taken:
            count += 1
            own = f"{id_}_{count}"
        taken.add(own)
        call["id"] = own
    return calls


def is_index(index: Any) -> bool:
    return isinstance(index, int) and not isinstance(index, bool)


def tool_inner(piece: Mapping[str, Any]) -> Mapping[str, Any]:
    """Where a piece holds name and arguments: under ``function`` or ``custom``, or, with some, in itself."""
    for key in ("function", "custom"):
        if isinstance(piece.get(key), dict):
            body: Mapping[str, Any] = piece[key]
            return body
    return piece


def _name_of(inner: Mapping[str, Any]) -> str:
    return (word(inner.get("name")) or "")[:LONGEST_NAME]


def _arguments_of(inner: Mapping[str, Any]) -> str:
    arguments = inner.get("arguments", inner.get("input"))
    return arguments if isinstance(arguments, str) else "" if arguments is None else _dumps(arguments)


def _text_in(arguments: str) -> str | None:
    """The text that arguments are in JSON, where they were written as JSON twice; None for any others."""
    if not arguments.startswith('"'):
        return None
    try:
        text = json.loads(arguments)
    except ValueError:
        return None
    return text.strip() if isinstance(text, str) else None


class _JsonEnd:
    """Tells when an object that comes in pieces is complete; looks at each character once.

    Attributes:
        reached: whether it is complete.
        blank: whether there was nothing in it.
    """

    _MARK = re.compile(r'\\.|["{}\[\]\\]', re.S)

    def __init__(self) -> None:
        self.reached = False
        self.blank = True
        self._depth = 0
        self._in_string = False
        self._escaped = False

    def feed(self, text: str) -> None:
        """Look at a further piece."""
        if self._escaped:
            text, self._escaped = text[1:], False
        self.blank = self.blank and not text.strip(" \t\r\n{}")
        for mark in self._MARK.findall(text):
            if mark[0] == "\\":
                self._escaped = len(mark) == 1  # the character it stands before is in the next piece
            elif mark == '"':
                self._in_string = not self._in_string
            elif not self._in_string:
                self._depth += 1 if mark in "{[" else -1
                self.reached = self._depth == 0


def word(value: Any) -> str | None:
    """Text that says something, else None."""
    return sendable(value) if isinstance(value, str) and value else None


def _dumps(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)
