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
    """The words of a line. Quotes group; a backslash is a character like any other, except before a quote in quotes.

    Raises:
        LineMistake: a quote that is never closed.
    """
    found: list[Word] = []
    text, start, end = "", -1, 0
    for match in _WORD.finditer(line):
        if match["space"]:
            if start >= 0:
                found.append(Word(text, start, end))
            text, start = "", -1
            continue
        if match["open"]:
            raise LineMistake(f"the {match['open']} at column {match.start() + 1} is never closed.")
        quoted = match["quoted"]
        text += quoted[1:-1].replace("\\" + quoted[0], quoted[0]) if quoted else match["bare"]
        start, end = (match.start() if start < 0 else start), match.end()
    return [*found, Word(text, start, end)] if start >= 0 else found


def parse(parser: Any, line: str, *, rest: bool = False) -> tuple[argparse.Namespace, str]:
    """The options of a line, and, with ``rest``, the text after them as it stands.

    Raises:
        LineMistake: an option that is unknown, given twice, or lacks its value; a value it cannot have; a secret.
    """
    options = {name: action for action in parser._actions for name in action.option_strings}
    given = words(_leading_options(line, options)) if rest else words(line)
    taken: list[str] = []
    seen: set[str] = set()
    position = 0
    while position < len(given):
        word = given[position]
        if not word.text.startswith("-") or _is_number(word.text) or line[word.start] in "\"'":
            if rest:
                break
            _check_word(word, line)
            taken.append(word.text)
            position += 1
            continue
        name, equals, value = word.text.partition("=")
        action = _action(name, options, word)
        if action.dest in seen and not isinstance(action, argparse._AppendAction):
            raise LineMistake(f"{name} is given twice.")
        seen.add(action.dest)
        taken.append(name)
        position += 1
        if action.nargs == 0:
            continue
        if not equals and position < len(given) and not _is_option(given[position], line, options):
            value, equals = given[position].text, "="
            position += 1
        if equals:
            taken[-1] = f"{name}={value}" if name.startswith("--") else f"{name}{value}"
        elif action.nargs != "?":
            raise LineMistake(f"{name} needs a value: {name} {action.metavar or 'VALUE'}.")
    left = line[given[position].start :] if position < len(given) else ("" if not rest else line[given[-1].end :] if given else line)
    return _namespace(parser, options, taken), left.strip()


def _leading_options(line: str, options: dict[str, Any]) -> str:
    """The head of a line whose rest is a prompt, so that a prompt's own quotes are not looked at."""
    position = 0
    while match := re.compile(r"\s*(-[^\s=]*)(=?)").match(line, position):
        action = options.get(match[1])
        position = match.end(1)
        if action is None or action.nargs == 0:
            if action is None:
                return line[: match.end(1)]
            continue
        value = re.compile(r"""[=\s]\s*(?:"(?:\\"|[^"])*"|'(?:\\'|[^'])*'|[^\s"']+)*""").match(line, position)
        position = value.end() if value else position
        if re.match(r"\s*[\"']", line[position:]) and (not value or not value[0].strip("= \t")):
            return line  # a quote that never closes; `words` says where
    return line[:position]


def _is_option(word: Word, line: str, options: dict[str, Any]) -> bool:
    return word.text.partition("=")[0] in options and line[word.start] == "-"


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
