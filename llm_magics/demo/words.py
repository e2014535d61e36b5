"""Words are what both the look-up and the choice of tools compare, so both take them apart in the same way."""

from __future__ import annotations

import re

_TOKEN = re.compile(r"(?<![\w-])--?[a-z][\w-]*|%{1,2}[a-z]\w*|\w+", re.IGNORECASE)
_HEAD = re.compile(r"[#|>]|```|\*\*[^*]*\*\*$")  # what begins no prose, or is nothing but a title
_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")


def listed(text: str) -> frozenset[str]:
    """Long lists of words are easier to read as text."""
    return frozenset(text.split())


STOP = listed(
    """a about all also am an and any are as at be been but by can could did do does doing done for from give gave get
    got had has have he hello her here hi him his how i if in into is it its just know let like ll look make many may
    me might mine more much must my need no not now of off ok on one or other our out over own please s shall she
    should show so some such t tell than that the their them then there these they this those to too under up us use
    used using ve very want was way we were what when where which while who whom whose why will with would write
    yes you your explain describe find see work works working mean means happen happens re don doesn isn
    put turn go goes way ways thing things support supported available possible"""
)

# words whose stem would mean something else: the settings are not what one sets
_WHOLE = frozenset({"settings"})
_ENDINGS = ("ations", "ation", "ings", "ing", "ments", "ment", "ers", "er", "edly", "ed", "ies", "es", "ly", "s", "e")


def stem(word: str) -> str:
    """Cut the ending off, lightly: `models` and `model` come out alike, and so do `stopping` and `stop`."""
    word = word.lower()
    if word in _WHOLE:
        return word
    for ending in _ENDINGS:
        rest = word[: -len(ending)]
        if word.endswith(ending) and len(rest) >= 3 and not word.endswith("ss"):
            word = rest
            break
    if len(word) > 3 and word[-1] == word[-2] and word[-1] not in "ls":
        return word[:-1]
    return word[:-1] + "i" if len(word) > 3 and word.endswith("y") else word


def pieces(token: str) -> list[str]:
    """A name's parts beside the name itself: `get_weather`, `getWeather` and `--dry-run` are two words each."""
    parts = [part for part in re.split(r"[_\W]+", _CAMEL.sub("_", token)) if part]
    return [token] if parts == [token] else [token, *parts]


def stems(text: str) -> list[str]:
    """All words that carry meaning, stemmed, in the order of the text."""
    found = [piece for token in _TOKEN.findall(text) for piece in pieces(token)]
    return [stem(word) for word in found if word.lower() not in STOP]


def count(text: str) -> int:
    """Words stand in for tokens: a rough measure, but one that adds up."""
    return len(text.split())


def in_pieces(text: str) -> list[str]:
    """The text word by word, each with the space behind it, so that joining them gives the text back."""
    return re.findall(r"\s*\S+\s*", text) if text.strip() else [text] * bool(text)


def first_sentence(text: str) -> str:
    """What a text begins with, up to the end of its first sentence or line of prose."""
    line = next((line for line in text.splitlines() if line and not _HEAD.match(line)), text)
    end = re.search(r"[.!?](?=\s|$)", line)
    return line[: end.end()] if end else line.rstrip(":")
