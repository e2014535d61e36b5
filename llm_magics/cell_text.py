"""A cell's text before IPython takes it apart: what it would misread is put as it was meant, or complained of.

Everything here runs for every cell, so it looks for our names first, and imports when it has found one.
"""

from __future__ import annotations

from typing import Any

MISPLACED = (
    "%%llm stands in line {line}, and works only in the first line of a cell: give the prompt a cell of its own, or "
    "write answer = %llm PROMPT among other code."
)
ONE_LINE = (
    "%llm takes its prompt from the same line, and there is none: to write it on the lines below, begin the cell with "
    "%%llm."
)


class AsMeant:
    """An input transformer: the lines of a cell, or one line that tells what is wrong with them."""

    def __init__(self, magic: Any) -> None:
        self._magic = magic  # %llm

    def __call__(self, lines: list[str]) -> list[str]:
        if not any("%llm" in line for line in lines):
            return lines
        lines = [_plain_blanks(lines[0]), *lines[1:]]
        if lines[0].startswith("%%"):
            return lines  # the body of a cell magic is nobody's code
        mistake = _misplaced(lines) or _without_prompt(self._magic, lines)
        if mistake:
            return [f"get_ipython()._llm_magics.complain({mistake!r})\n"]
        return [_as_call(line) for line in lines]


def _plain_blanks(line: str) -> str:
    """The first line as it was meant: nothing before ``%%llm``, and a plain blank behind a magic's name."""
    if line.lstrip().startswith("%%llm"):
        line = line.lstrip()
    if line.isascii():
        return line
    import re

    return re.sub(r"^((?:[\w., ]+=\s*)?%{1,2}llm(?:_config)?)[^\S\n]", r"\1 ", line, count=1)


def _misplaced(lines: list[str]) -> str:
    """A complaint of a ``%%llm`` that is not the cell's beginning, unless it stands inside a text of Python's."""
    import re

    for number, line in enumerate(lines):
        if "%%llm" in line and re.match(r"\s*%%llm\b", line) and not _ends_in_a_text(lines[:number]):
            return MISPLACED.format(line=number + 1)
    return ""


def _ends_in_a_text(lines: list[str]) -> bool:
    """Whether what follows these lines of Python is still part of a text in triple quotes."""
    import re
    import tokenize

    try:
        for _ in tokenize.generate_tokens(iter(lines).__next__):
            pass
    except (tokenize.TokenError, SyntaxError) as error:
        return bool(re.search("multi-line string|triple-quoted", str(error)))
    return False


def _without_prompt(magic: Any, lines: list[str]) -> str:
    """A complaint of a ``%llm`` with nothing behind it but options, and text on the lines below."""
    if not lines[0].startswith("%llm") or not any(line.strip() for line in lines[1:]):
        return ""
    import re

    from llm_magics.lines import LineMistake, parse
    from llm_magics.parsers import parser_of

    if not re.match(r"%llm(\s|$)", lines[0]):
        return ""
    try:
        _, prompt = parse(parser_of(magic), lines[0], len("%llm"), rest=True)
    except LineMistake:
        return ""
    return "" if prompt else ONE_LINE


def _as_call(line: str) -> str:
    """``%llm Why is that?`` asks the model; IPython alone would take the last word and ``?`` for a wish for help."""
    if not line.rstrip().endswith("?") or "%llm" not in line:
        return line
    import re

    question = re.fullmatch(r"(?P<head>\s*(?:%\w+\s+)?(?:[\w., ]+=\s*)?)%llm\s+(?P<prompt>\S.*\?)\s*", line)
    if question is None:
        return line
    return f"{question['head']}get_ipython().run_line_magic('llm', {question['prompt']!r})\n"
