"""A magic's line taken apart: words and quotes, options and values, mistakes told in one line with the next move."""

from __future__ import annotations

import argparse
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from llm_magics.config import MODEL_SETTINGS, REQUEST, SESSION_SETTINGS, TIMEOUTS
from llm_magics.errors import UserMistake, cut, nearest, short
from llm_magics.secrets import looks_like_key_name, written_in

# What word processors, web pages and keyboards of other scripts make of quotes, hyphens and the equals sign.
_QUOTES = {**dict.fromkeys("“”„‟«»″＂", '"'), **dict.fromkeys("‘’‚‛‹›′＇", "'")}
_DASHES = {**dict.fromkeys("—–―‒﹘", "--"), **dict.fromkeys("−‐‑﹣－", "-")}
_TYPOGRAPHIC = {**_QUOTES, **_DASHES, "＝": "="}
_WORD = re.compile(r"""(?P<quoted>"(?:\\"|[^"])*"|'(?:\\'|[^'])*')|(?P<bare>[^\s"']+)|(?P<open>["'])""")
MANY = 1_000  # values of one option
_BLANKS = re.compile(r"\s+")
_MEANT = re.compile(rf"(?:[\w.-]+=)*(?P<quote>[{''.join(_QUOTES)}])|-*[\w.-]+(?P<equals>＝)")


class LineMistake(UserMistake):
    """A magic's line that cannot be read."""


@dataclass(frozen=True, slots=True)
class Word:
    """One word of a line, its quotes removed, and where it stands."""

    text: str
    start: int
    end: int


def words(line: str, start: int = 0) -> list[Word]:
    """The words of a line. Quotes group, except inside JSON; a backslash stands for itself, except before a quote.

    With ``start``, the line is read from there, and places are still counted from its beginning.

    Raises:
        LineMistake: a quote that is never closed.
    """
    found: list[Word] = []
    while word := _word_at(line, found[-1].end if found else start):
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
    value = "" if typed[:1] in ("'", '"') else typed.partition("=")[2]
    opened = value.count("[") + value.count("{") - value.count("]") - value.count("}")
    return value[:1] in ("[", "{") and opened > 0


def quoted(word: str) -> str:
    """A word as it is typed on a line."""
    inside = word.replace('"', '\\"')
    return f'"{inside}"' if re.search(r"""[\s"']""", word) else word


def parse(
    parser: Any, line: str, start: int = 0, *, rest: bool = False, several: bool = True
) -> tuple[argparse.Namespace, str]:
    """The options of a line, and, with ``rest``, the text after them as it stands; ``--`` ends the options.

    With ``start``, what stands before is the magic's name: mistakes tell their column in the whole line. ``several``
    says that an option which may have several values takes all words up to the next option, and not only one.

    Raises:
        LineMistake: an option that is unknown, given twice, or lacks its value; a value it cannot have; a secret.
    """
    options = {name: action for action in parser._actions for name in action.option_strings}
    found = argparse.Namespace(**{action.dest: action.default for action in parser._actions})
    plain: list[str] = []
    given: dict[str, str] = {}
    position = start
    while word := _head(line, position, options) if rest else _word_at(line, position):
        position = word.end
        if rest and word.text == "--":
            break
        if not _is_option(word, line):
            _check_word(word, line)
            plain.append(word.text)
            continue
        name, equals, value = word.text.partition("=")
        action = _action(name, options)
        if action.nargs == 0 and equals:
            raise LineMistake(f"{name} takes no value: write {name} alone.")
        _check_value(word, line)
        values = [value] if equals else []
        while len(values) < _most(action, several) and (behind := _word_at(line, position)):
            if _is_option(behind, line):
                break
            _check_value(behind, line)
            values.append(behind.text)
            position = behind.end
        if len(values) < _least(action):
            shown = action.metavar if isinstance(action.metavar, str) else " ".join(action.metavar or ("VALUE",))
            missing = "a value" if _least(action) == 1 else f"{_least(action)} values"
            raise LineMistake(f"{name} needs {missing}: {name} {shown}.")
        value, equals = " ".join(values), "=" if values else ""
        if action.dest in given and not isinstance(action, argparse._AppendAction):
            raise twice(name, given[action.dest], value) if equals else LineMistake(f"{name} is given twice.")
        given[action.dest] = value
        if _most(action) > 1:
            setattr(found, action.dest, values)
        else:
            setattr(found, action.dest, _value(action, value, getattr(found, action.dest)) if equals else action.const)
    for action in parser._actions:
        if not action.option_strings:
            setattr(found, action.dest, plain)
    return found, line[position:].strip()


def _least(action: Any) -> int:
    """How many values an option needs."""
    return action.nargs if isinstance(action.nargs, int) else 0 if action.nargs == "?" else 1


def _most(action: Any, several: bool = True) -> int:
    """How many it may have."""
    if action.nargs == "+" and several:
        return MANY
    return action.nargs if isinstance(action.nargs, int) else 1


def _value(action: Any, value: str, before: Any) -> Any:
    """What an option's value is; one that may be given again is a list."""
    if action.choices and value not in action.choices:
        named = ", ".join(map(repr, action.choices))
        raise LineMistake(f"{'/'.join(action.option_strings)}: {short(value)} is not one of {named}.")
    return [*(before or []), value] if isinstance(action, argparse._AppendAction) else value


def _head(line: str, position: int, options: Mapping[str, Any]) -> Word | None:
    """The next option; None where the rest begins, whose own quotes are not looked at."""
    behind = line[position:].lstrip()
    typed = re.match(rf"-?[{''.join(_DASHES)}]+([\w-]+)", behind)
    if typed and {f"-{typed[1]}", f"--{typed[1]}"} & set(options):
        check_typing(behind.split()[0], line, len(line) - len(behind))
    return _word_at(line, position) if _OPTION.match(behind) else None


def _is_option(word: Word, line: str) -> bool:
    return _OPTION.match(line, word.start) is not None


_OPTION = re.compile(r"-[A-Za-z-]")  # and so no number


def _action(name: str, options: dict[str, Any]) -> Any:
    if name in options:
        return options[name]
    if looks_like_key_name(name) or nearest(name.lstrip("-"), ["api-key"]):
        raise secret_on_the_line(cut(name))
    bare = {option.lstrip("-"): option for option in options if option.startswith("--")}
    if move := _move(name.lstrip("-").replace("-", "_"), options):
        raise LineMistake(f"{cut(name)} is not an option; {move}.")
    short_form = re.fullmatch(r"(-\w)(.+)", name)
    if short_form and short_form[1] in options and not name.startswith("--"):
        flag, value = short_form.groups()
        raise LineMistake(f"{cut(name)} is not an option; put a blank behind {flag}: {flag} {cut(value, 40)}.")
    meant = nearest(name.lstrip("-"), bare)
    known = f"Did you mean {bare[meant]!r}?" if meant else f"Known: {', '.join(sorted(options))}."
    raise LineMistake(f"unknown option {short(name)}. {known}")


def _move(word: str, options: Mapping[str, Any]) -> str | None:
    """What to write instead of an option that is none, where it is the name of something else."""
    if word in ("h", "help"):
        return "%llm? and %llm_config? explain what there is"
    for name, action in options.items():
        if word in (action.choices or ()):
            return f"write {name} {word}"
    if "--param" in options:
        return f"write --param {word}=VALUE" if word in REQUEST | set(TIMEOUTS) else None
    if word in ("m", "model"):
        return "to choose a model, write its name alone"
    return f"write {word}=VALUE" if word in MODEL_SETTINGS | SESSION_SETTINGS else None


def check_typing(text: str, line: str = "", start: int = 0) -> None:
    """Complain of typographic characters in what should be options, as pasted from a web page.

    ``text`` stands in ``line`` at ``start``; its own beginning counts as the first column otherwise.

    Raises:
        LineMistake: there is one.
    """
    line = line or text
    for word in words(line[: start + len(text)], start):
        _check_word(word, line)


def _check_word(word: Word, line: str) -> None:
    for part in _WORD.finditer(line, word.start, word.end):
        for place, char in enumerate(part["bare"] or ""):
            if char in _TYPOGRAPHIC:
                raise _typographic(line, part.start() + place)


def _check_value(word: Word, line: str) -> None:
    """Typographic quotes inside a value are fine, but they do not group words: where a value begins, they were to."""
    if meant := _MEANT.match(line, word.start):
        raise _typographic(line, meant.start(meant.lastgroup or 0))


def _typographic(line: str, place: int) -> LineMistake:
    char = line[place]
    is_short = char in _DASHES and (re.match(r"\w\b", line[place + 1 :]) or line[place - 1 : place] == "-")
    said = f"the character U+{ord(char):04X} ({char}) at column {place + 1} is typographic"
    return LineMistake(f"{said}; type {'-' if is_short else _TYPOGRAPHIC[char]} instead.")


def twice(name: str, first: str, second: str) -> LineMistake:
    """The error for a name that has two values."""
    return LineMistake(f"{name} is given twice: {short(first)}, then {short(second)}.")


def without_keys(settings: dict[str, Any]) -> dict[str, Any]:
    """The same settings, in whose tables no key stands.

    Raises:
        LineMistake: one does.
    """
    if any(written_in(settings)):
        raise secret_on_the_line("A key")
    return settings


def secret_on_the_line(name: str) -> LineMistake:
    """The refusal of a key in a cell; never repeats it."""
    return LineMistake(
        f"{name} does not belong on this line: it would be saved in the notebook and in IPython's history. Set the key "
        f"in the environment, or type it with %llm_config --ask-key NAME. If that was a real key, clear this cell."
    )
