"""A magic's line taken apart: words and quotes, options against their parser, mistakes told in one line with the next move."""

from __future__ import annotations

import argparse
import re
from dataclasses import dataclass
from typing import Any

from llm_magics.errors import UserMistake, did_you_mean, short
from llm_magics.secrets import looks_like_key_name

# What word processors and web pages make of quotes, hyphens and blanks.
_TYPOGRAPHIC = {"“": '"', "”": '"', "„": '"', "‘": "'", "’": "'", "—": "--", "–": "--", "−": "-", "\u00a0": "a blank"}
_WORD = re.compile(r"""(?P<space>\s+)|(?P<quoted>"(?:\\"|[^"])*"|'(?:\\'|[^'])*')|(?P<bare>[^\s"']+)|(?P<open>["'])""")


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
    while (word := word_at(line, found[-1].end if found else 0)) is not None:
        found.append(word)
    return found


def word_at(line: str, position: int) -> Word | None:
    """The word that begins at this place of a line, or behind the blanks there; None at the line's end.

    Raises:
        LineMistake: a quote that is never closed.
    """
    text, start, end = "", -1, position
    for match in _WORD.finditer(line, position):
        if match["open"]:
            raise LineMistake(f"the {match['open']} at column {match.start() + 1} is never closed.")
        if match["space"] and not _in_json(text):
            if start >= 0:
                break
            continue
        quoted = match["quoted"]
        if quoted and not _in_json(text):
            quoted = quoted[1:-1].replace("\\" + quoted[0], quoted[0])
        text += quoted if quoted is not None else match["bare"] or match["space"]
        start, end = (match.start() if start < 0 else start), match.end()
    return Word(text, start, end) if start >= 0 else None


def _in_json(text: str) -> bool:
    """Whether a word so far is ``KEY=[…`` or ``KEY={…`` with a bracket open: its quotes and blanks are JSON's own."""
    value = text.partition("=")[2]
    opened = value.count("[") + value.count("{") - value.count("]") - value.count("}")
    return value[:1] in ("[", "{") and opened > 0


def parse(parser: Any, line: str, *, rest: bool = False) -> tuple[argparse.Namespace, str]:
    """The options of a line, and, with ``rest``, the text after them as it stands.

    Raises:
        LineMistake: an option that is unknown, given twice, or lacks its value; a value it cannot have; a secret.
    """
    options = {name: action for action in parser._actions for name in action.option_strings}
    taken: list[str] = []
    seen: set[str] = set()
    position = 0
    while not (rest and _begins_text(line, position)) and (word := word_at(line, position)) is not None:
        position = word.end
        if not _is_option_like(line, word):
            _check_word(word, line)
            taken.append(word.text)
            continue
        name, equals, value = word.text.partition("=")
        action = _action(name, options, word)
        if action.dest in seen and not isinstance(action, argparse._AppendAction):
            raise LineMistake(f"{name} is given twice.")
        seen.add(action.dest)
        if action.nargs == 0:
            taken.append(name)
            continue
        if not equals and (following := word_at(line, position)) and not _is_known(following, line, options):
            value, equals, position = following.text, "=", following.end
        if not equals and action.nargs != "?":
            raise LineMistake(f"{name} needs a value: {name} {action.metavar or 'VALUE'}.")
        taken.append(_joined(name, value) if equals else name)
    return _namespace(parser, options, taken), line[position:].strip()


def _begins_text(line: str, position: int) -> bool:
    """Whether what comes next is no option, so that its own quotes are not to be looked at."""
    following = line[position:].lstrip()
    return not following.startswith("-") or _is_number(following.split()[0]) or following[:2] in ("-", "- ")


def _is_option_like(line: str, word: Word) -> bool:
    return word.text.startswith("-") and not _is_number(word.text) and line[word.start] not in "\"'"


def _is_known(word: Word, line: str, options: dict[str, Any]) -> bool:
    return word.text.partition("=")[0] in options and line[word.start] == "-"


def _joined(name: str, value: str) -> str:
    return f"{name}={value}" if name.startswith("--") else f"{name}{value}"


def _is_number(text: str) -> bool:
    return bool(re.fullmatch(r"-?\d*\.?\d+", text))


def _action(name: str, options: dict[str, Any], word: Word) -> Any:
    if name in options:
        return options[name]
    if looks_like_key_name(name):
        raise secret_on_the_line(name)
    short_form = re.fullmatch(r"(-\w)(.+)", name)
    if short_form and short_form[1] in options and not name.startswith("--"):
        raise LineMistake(f"{name} is not an option; put a blank behind {short_form[1]}: {short_form[1]} {short_form[2]}.")
    raise LineMistake(f"unknown option {short(name)}.{did_you_mean(name, options) or ' Known: ' + ', '.join(sorted(options)) + '.'}")


def check_typing(text: str) -> None:
    """Complain of typographic characters in what should be options, as pasted from a web page.

    Raises:
        LineMistake: there is one.
    """
    for word in words(text):
        _check_word(word, text)


def _check_word(word: Word, line: str) -> None:
    for place, char in enumerate(word.text):
        if char in _TYPOGRAPHIC:
            column = word.start + place + 1
            raise LineMistake(f"the character U+{ord(char):04X} ({char}) at column {column} is typographic; type {_TYPOGRAPHIC[char]} instead.")


def secret_on_the_line(name: str) -> LineMistake:
    """The refusal of a key in a cell; never repeats it."""
    return LineMistake(
        f"{name} does not belong on this line: it would be saved in the notebook and in IPython's history. Set the key in "
        f"the environment, or type it with %llm_config --ask-key NAME. If that was a real key, clear this cell."
    )


def _namespace(parser: Any, options: dict[str, Any], taken: list[str]) -> argparse.Namespace:
    from IPython.core.error import UsageError

    try:
        parsed: argparse.Namespace = parser.parse_args(taken)
    except UsageError as error:
        said = str(error).splitlines()[-1]
        if match := re.search(r"argument (\S+): invalid choice: '?(.*?)'? \(choose from (.*)\)", said):
            raise LineMistake(f"{match[1]}: {match[2]!r} is not one of {match[3]}.") from None
        raise LineMistake(said) from None
    return parsed
