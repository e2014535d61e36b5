"""Text that a terminal only prints: control sequences taken out, characters that reorder text made visible."""

from __future__ import annotations

import re

# What sets a title, writes a clipboard or makes a link (OSC, DCS and their like, with their end), then what moves a
# cursor or paints (CSI), then every other escape, then every other control but tab and newline. A beginning without its
# end is taken out alone: what stands behind it is text, and hiding text is what a sequence would be for.
_SEQUENCES = re.compile(
    r"(?:\x1b[\]PX^_]|[\x90\x98\x9d-\x9f])[^\x07\x1b\x80-\x9f]*(?:\x07|\x1b\\|\x9c)"
    r"|(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]?"
    r"|\x1b[ -/]*[0-~]?"
)
_CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
_SURROGATES = re.compile(r"[\ud800-\udfff]")
# What a notebook makes a link of in plain output, whatever follows it leads to: here all but what pages are reached by.
_LINK_STARTS = re.compile(r"(?:(?!https?://)(?<![a-z0-9+.-])[a-z][a-z0-9+.-]+(?=://)|data(?=:))", re.I)
_JOINER = "\u2060"  # shows as nothing
# Characters that change the order in which text is shown, so that it reads as what it is not.
_BIDI = re.compile(r"[\u202a-\u202e\u2066-\u2069]")


def clean(text: str) -> str:
    """Text without control sequences.

    >>> clean("a\\x1b[31mb\\r\\n")
    'ab\\n'
    """
    if text.isprintable():
        return text
    text = _CONTROLS.sub("", _SEQUENCES.sub("", text.replace("\r\n", "\n")))
    return visible(_SURROGATES.sub("\ufffd", text))


def short_line(text: str, limit: int) -> str:
    """Text as one line without control sequences and without scripts to click on, cut at ``limit`` characters."""
    line = _LINK_STARTS.sub(lambda match: match[0] + _JOINER, " ".join(clean(text).split()))
    return line if len(line) <= limit else line[: limit - 1] + "…"


def visible(text: str) -> str:
    """Text in which the characters that reorder it are shown by their numbers."""
    return _BIDI.sub(lambda match: f"⟨U+{ord(match[0]):04X}⟩", text)
