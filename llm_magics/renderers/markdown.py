"""``text/markdown``: for JupyterLab, Notebook, VS Code, GitHub and nbconvert; needs no script to be read."""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from llm_magics.call_views.layout import laid_out
from llm_magics.call_views.page import Laid, laid_all, written
from llm_magics.channel import size_of
from llm_magics.events import OutputFormat
from llm_magics.pictures import BLOCKED, Pictures
from llm_magics.safe.markdown import (
    code_span,
    escape,
    fenced,
    fences,
    hosts_to_allow,
    link,
    prose,
    rebuild,
)
from llm_magics.view import View

MAX_BYTES = 236_000  # of all that is shown: a page with more is slow, and Jupyter drops larger messages
REST = 20_000  # bytes of them that the answer's text leaves to all else …
HEAD = 1_200  # … and to each tool call's name, at the most
RESERVED = 60_000  # bytes that pictures leave to all else
MAX_LISTED = 50  # tool calls, rounds, and sources
MAX_TITLE, MAX_URL = 300, 2_000
MAX_HOSTS = 3  # named in the line on pictures


def render(view: View, room: int = MAX_BYTES, *, beside: bool = False) -> str:
    """The view as Markdown whose every leaf is escaped; where it would be too large, the answer's text comes first.

    ``room`` is how many bytes it may take; ``beside`` says that other texts stand on the same page.
    """
    around = bool(view.notes or view.reasoning or view.refusal or view.transcript or view.calls or view.citations)
    around = around or bool(view.steps)
    alone, rest = not (around or beside), _rest(view, room) if around else 0
    text = _fitting(lambda most: body(view, most, alone=alone), len(view.text), room - rest)
    rounds = _rounds(view, room - size_of(text))
    lengths, pictures = [length for one in rounds for length in _lengths(one)], not_loaded(view)
    shown = _fitting(
        lambda most: _around(text, view, rounds, pictures, most), max(lengths), room, _level(lengths, room), least=0
    )
    return shown or f"*({'an empty answer' if view.empty else 'nothing but code'})*"


def step(one: View, pictures: Pictures = BLOCKED, room: int = MAX_BYTES) -> str:
    """One round before the last, for a page on which the answer still grows."""
    (only,) = _rounds(replace(one, steps=(), pictures=pictures), room)
    lengths = _lengths(only)
    level = _level(lengths, room)
    return _fitting(lambda most: _step(only, pictures, "markdown", most), max(lengths), room, level, least=0)


@dataclass(frozen=True, slots=True)
class _Round:
    """A round, with its calls laid out as far as they are listed."""

    view: View
    calls: list[Laid]

    @property
    def more(self) -> int:
        return len(self.view.calls) - len(self.calls)


def _rounds(view: View, room: int) -> list[_Round]:
    """The rounds of an answer, the last one at the end; ``room`` is what its text has left to them."""
    views = [*view.steps, view]
    listed = [one for each in views for one in each.calls][: _listed_in(room)]
    laid = laid_all(listed, room - min(room // 2, RESERVED))
    ends = itertools.accumulate(len(each.calls) for each in views)
    return [_Round(each, laid[end - len(each.calls) : end]) for each, end in zip(views, ends, strict=True)]


def _listed_in(room: int) -> int:
    """How many calls are listed: where there is little room, not so many that their names alone would fill it."""
    return min(MAX_LISTED, max(1, room // HEAD))


def _rest(view: View, room: int) -> int:
    """The bytes that the text leaves to all else."""
    calls = sum(len(each.calls) for each in (*view.steps, view))
    return min(room // 4, REST) + min(room // 4, HEAD * min(calls, MAX_LISTED))


def _lengths(one: _Round) -> list[int]:
    """Characters of each of a round's texts."""
    said = [one.view.reasoning, one.view.text, one.view.refusal, one.view.transcript]
    return [*map(len, said), *(length for laid in one.calls for length in laid.lengths)]


def _level(lengths: Sequence[int], room: int) -> int:
    """At how many characters to cut the longest texts so that there are no more of all than bytes to show them."""
    left = room
    for place, length in enumerate(sorted(lengths)):
        share = left // (len(lengths) - place)
        if length > share:
            return share
        left -= length
    return room


def _around(text: str, view: View, rounds: list[_Round], pictures: str, most: int) -> str:
    """The view's text, rendered already, with all that stands around it."""
    *before, last = rounds
    parts = [
        *(f"*{escape(note.strip())}*" for note in view.notes),
        *_steps(before, view, most),
        reasoning(view.reasoning, view.pictures, most),
        text,
        *_refused_and_spoken(view, most),
        *_calls(last, most),
        "*(an empty answer)*" if view.steps and view.empty and not view.mark else "",
        citations(view.citations, most),
        pictures,
        f"**{escape(view.mark)}**" if view.mark else "",
    ]
    return "\n\n".join(part for part in parts if part)


def _steps(before: Sequence[_Round], view: View, most: int) -> list[str]:
    """The rounds before the last; of those whose calls are all beyond the list only a count."""
    listed = [one for one in before if one.calls or not one.more]
    shown = [_step(one, view.pictures, view.output, most) for one in listed[:MAX_LISTED]]
    left = [one for one in before if one.more and not one.calls] + listed[MAX_LISTED:]
    more = sum(one.more + len(one.calls) for one in left)
    return [*shown, f"*… {len(left)} more rounds with {more} tool calls, in &#95;llm*"] if left else shown


def _step(one: _Round, pictures: Pictures, output: OutputFormat, most: int) -> str:
    said = _capped(one.view.text, most)
    parts = [
        reasoning(one.view.reasoning, pictures, most),
        (fenced(said, "text") if output == "text" else rebuild(said, alone=False, pictures=pictures)) if said else "",
        *_refused_and_spoken(one.view, most),
        *_calls(one, most),
    ]
    return "\n\n".join(part for part in parts if part)


def _refused_and_spoken(view: View, most: int) -> list[str]:
    return [
        _quoted("**The model refused:** ", view.refusal, most),
        _quoted("**Spoken:** ", view.transcript, most),
    ]


def _calls(one: _Round, most: int) -> list[str]:
    more = [f"*… {one.more} more tool calls*"] if one.more else []
    return [*(written(laid, most) for laid in one.calls), *more]


def _fitting(
    written: Callable[[int], str], length: int, room: int, most: int | None = None, *, least: int = 100
) -> str:
    """What is written with so many characters of each segment, ``most`` to begin with, that all fits into its room.

    Where it does not with ``least`` of them, that is what is written.
    """
    most = room if most is None else most
    shown = written(most)
    while (size := size_of(shown)) > room and most > 100:
        most = int(min(most, length) * 0.95 * room / size)
        shown = written(most)
    return shown if size <= room or least >= 100 else written(least)


def body(view: View, most: int = MAX_BYTES, *, alone: bool = True) -> str:
    """The answer's text in the format that was asked for; ``alone`` says that nothing else stands on the page."""
    match view.output:
        case "markdown":
            return rebuild(_capped(view.text, most), alone=alone, pictures=view.pictures)
        case "text":
            return fenced(_capped(view.text, most), "text") if view.text else ""
        case "json":
            return as_json(view.text, view.pictures, most)
        case "code":
            return rebuild(_capped(without_code(view.text), most), alone=alone, pictures=view.pictures)


def hosts_wanted(view: View) -> list[str]:
    """The hosts whose pictures would be shown if they were allowed, in the order a reader meets them."""
    if view.output == "text":
        return []
    texts = [said for one in view.steps for said in (one.reasoning, one.text)]
    texts += [view.reasoning, without_code(view.text) if view.output == "code" else view.text]
    most = MAX_BYTES // (1 + len(view.steps))
    return list(dict.fromkeys(host for text in texts for host in hosts_to_allow(_capped(text, most), view.pictures)))


def not_loaded(view: View) -> str:
    """One line on how pictures that were not loaded could be; nothing where there are none."""
    hosts = hosts_wanted(view)
    if not hosts:
        return ""
    value = "ask" if view.pictures.mode == "block" else json.dumps(hosts[:MAX_HOSTS], separators=(",", ":"))
    return f"*Pictures are not loaded. To allow them:* {code_span(f'%llm_config images={value}')}"


def reasoning(text: str, pictures: Pictures = BLOCKED, most: int = MAX_BYTES) -> str:
    """Folded: one consults it afterwards."""
    if not text.strip():
        return ""
    shown = rebuild(_capped(text, most), alone=False, pictures=pictures)
    return f"<details><summary>Reasoning</summary>\n\n{shown}\n\n</details>"


def citations(pairs: tuple[tuple[str, str], ...], most: int = MAX_BYTES) -> str:
    """The sources, numbered."""
    if not pairs:
        return ""
    if most <= 0:
        return f"*… {len(pairs):,} sources, in &#95;llm*"
    links = [
        f"{place}. {link(title[:MAX_TITLE], url[:MAX_URL])}" for place, (title, url) in enumerate(pairs[:MAX_LISTED], 1)
    ]
    return "Sources:\n\n" + "\n".join(links)


def as_json(text: str, pictures: Pictures = BLOCKED, most: int = MAX_BYTES) -> str:
    """The text as laid out JSON, where it is JSON; else the text, and a line that says so."""
    try:
        written_anew = laid_out(json_in(text))
    except (ValueError, RecursionError):
        shown = rebuild(_capped(text, most), alone=False, pictures=pictures)
        return "\n\n".join(part for part in (shown, "*This is not valid JSON.*") if part)
    return fenced(_capped(written_anew, most), "json")


def json_in(text: str) -> str:
    """The JSON of an answer: its only fenced block, if it has one, else all of it."""
    blocks = fences(text)
    return blocks[0].code if len(blocks) == 1 else text


def code_in(text: str) -> str:
    """The fenced code of an answer, its blocks one after the other; empty when there is none."""
    return "\n\n".join(block.code.rstrip("\n") for block in fences(text) if block.code.strip())


def without_code(text: str) -> str:
    """The prose of an answer, its fenced code left out."""
    lines = re.split(r"\r\n?|\n", text)
    for block in reversed(fences(text)):
        del lines[block.first : block.end]
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip("\n")


def _capped(text: str, most: int) -> str:
    if len(text) <= most:
        return text
    return f"{text[:most]}\n\n… {len(text) - most:,} more characters in _llm"


def _quoted(head: str, text: str, most: int) -> str:
    """A quote that says what it is, so that it is not taken for an answer."""
    if not text.strip():
        return ""
    return "\n".join(f"> {line}" if line else ">" for line in (head + prose(_capped(text.strip(), most))).split("\n"))
