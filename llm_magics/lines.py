"""A magic's line taken apart: words and quotes, options and values, mistakes told in one line with the next move."""

from __future__ import annotations

import argparse
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from llm_magics.errors import UserMistake, did_you_mean, short
from llm_magics.secrets import looks_like_key_name

# What word processors and web pages make of quotes and hyphens.
_TYPOGRAPHIC = {"“": '"', "”": '"', "„": '"', "‘": "'", "’": "'", "—": "--", "–": "--", "−": "-"}
_WORD = re.compile(r"""(?P<quoted>"(?:\\"|[^"])*"|'(?:\\'|[^'])*')|(?P<bare>[^\s"']+)|(?P<open>["'])""")
_BLANKS = re.compile(r"\s+")
_QUOTES = "“”„‘’"
_DASHES = "—–−"


class LineMistake(UserMistake):
    """A magic's line that cannot be read."""


@dataclass(frozen=True, slots=True)
class Word:
    """One word of a line, its quotes removed, and where it stands."""

    text: str
    start: int
    end: int


def words(line: str) -> list[Word]:
    """The words of a line. Quotes group, except inside JSON; a backslash stands for itself, except before a quote.

    Raises:
        LineMistake: a quote that is never closed.
    """
    found: list[Word] = []
    while word := _word_at(line, found[-1].end if found else 0):
        found.append(word)
    return found


def _word_at(line: str, position: int) -> Word | None:
    """The next word; None when only blanks are left. What stands behind it is not looked at."""
    blanks = _BLANKS.match(line, position)
    start = end = blanks.end() if blanks else position
    text = ""
    while match := (_BLANKS if _in_json(line[start:end]) else _WORD).match(line, end) or _WORD.match(line, end):
        part = match[0]
        if part in ("'", '"'):
            raise LineMistake(f"the {part} at column {match.start() + 1} is never closed.")
        if part[0] in "'\"" and not _in_json(line[start:end]):
            part = part[1:-1].replace("\\" + part[0], part[0])
        text += part
        end = match.end()
    return Word(text, start, end) if end > start else None


def _in_json(typed: str) -> bool:
    """Whether a word as typed so far is ``KEY=[…`` or ``KEY={…`` with a bracket open, so that its quotes are JSON's."""
    value = typed.partition("=")[2]
    opened = value.count("[") + value.count("{") - value.count("]") - value.count("}")
    return value[:1] in ("[", "{") and opened > 0


def parse(parser: Any, line: str, *, rest: bool = False) -> tuple[argparse.Namespace, str]:
    """The options of a line, and, with ``rest``, the text after them as it stands; ``--`` ends the options.

    Raises:
        LineMistake: an option that is unknown, given twice, or lacks its value; a value it cannot have; a secret.
    """
    options = {name: action for action in parser._actions for name in action.option_strings}
    taken: list[str] = []
    seen: set[str] = set()
    position = 0
    while word := _head(line, position, options) if rest else _word_at(line, position):
        position = word.end
        if rest and word.text == "--":
            break
        if not _is_option(word, line):
            _check_word(word, line)
            taken.append(word.text)
            continue
        name, equals, value = word.text.partition("=")
        action = _action(name, options)
        if action.dest in seen and not isinstance(action, argparse._AppendAction):
            raise LineMistake(f"{name} is given twice.")
        seen.add(action.dest)
        if action.nargs == 0:
            if equals:
                raise LineMistake(f"{name} takes no value: write {name} alone.")
            taken.append(name)
            continue
        if not equals and (behind := _word_at(line, position)) and not _is_option(behind, line):
            value, equals, position = behind.text, "=", behind.end
            if line[behind.start] in _QUOTES:  # inside a value they are fine, but they do not group words
                raise _typographic(line[behind.start], behind.start)
        if not equals and action.nargs != "?":
            raise LineMistake(f"{name} needs a value: {name} {action.metavar or 'VALUE'}.")
        taken.append((f"{name}={value}" if name.startswith("--") else f"{name}{value}") if equals else name)
    return _namespace(parser, taken), line[position:].strip()


def _head(line: str, position: int, options: Mapping[str, Any]) -> Word | None:
    """The next option; None where the rest begins, whose own quotes are not looked at."""
    behind = line[position:].lstrip()
    typed = re.match(rf"[{_DASHES}]+([\w-]+)", behind)
    if typed and {f"-{typed[1]}", f"--{typed[1]}"} & set(options):
        raise _typographic(behind[0], len(line) - len(behind))
    return _word_at(line, position) if _OPTION.match(behind) else None


def _is_option(word: Word, line: str) -> bool:
    return _OPTION.match(line, word.start) is not None


_OPTION = re.compile(r"-[A-Za-z-]")  # and so no number


def _action(name: str, options: dict[str, Any]) -> Any:
    if name in options:
        return options[name]
    if looks_like_key_name(name):
        raise secret_on_the_line(name)
    short_form = re.fullmatch(r"(-\w)(.+)", name)
    if short_form and short_form[1] in options and not name.startswith("--"):
        flag, value = short_form.groups()
        raise LineMistake(f"{short(name)[1:-1]} is not an option; put a blank behind {flag}: {flag} {value[:40]}.")
    known = did_you_mean(name, options) or f" Known: {', '.join(sorted(options))}."
    raise LineMistake(f"unknown option {short(name)}.{known}")


def check_typing(text: str) -> None:
    """Complain of typographic characters in what should be options, as pasted from a web page.

    Raises:
        LineMistake: there is one.
    """
    for word in words(text):
        _check_word(word, text)


def _check_word(word: Word, line: str) -> None:
    for part in _WORD.finditer(line, word.start, word.end):
        for place, char in enumerate(part["bare"] or ""):
            if char in _TYPOGRAPHIC:
                raise _typographic(char, part.start() + place)


def _typographic(char: str, place: int) -> LineMistake:
    said = f"the character U+{ord(char):04X} ({char}) at column {place + 1} is typographic"
    return LineMistake(f"{said}; type {_TYPOGRAPHIC[char]} instead.")


def secret_on_the_line(name: str) -> LineMistake:
    """The refusal of a key in a cell; never repeats it."""
    return LineMistake(
        f"{name} does not belong on this line: it would be saved in the notebook and in IPython's history. Set the key "
        f"in the environment, or type it with %llm_config --ask-key NAME. If that was a real key, clear this cell."
    )


def _namespace(parser: Any, taken: list[str]) -> argparse.Namespace:
    from IPython.core.error import UsageError

    try:
        parsed: argparse.Namespace = parser.parse_args(taken)
    except UsageError as error:
        said = str(error).splitlines()[-1]
        if match := re.search(r"argument (\S+): invalid choice: '?(.*?)'? \(choose from (.*)\)", said):
            raise LineMistake(f"{match[1]}: {match[2]!r} is not one of {match[3]}.") from None
        raise LineMistake(said) from None
    return parsed
