"""Text that a terminal only prints: control sequences taken out, characters that reorder text made visible."""

from __future__ import annotations

import re

# What moves a cursor, sets a title, writes a clipboard or makes a link, then every other control but tab and newline.
_SEQUENCES = re.compile(
    r"\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)?|\x1b[PX^_].*?(?:\x1b\\|\Z)|(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]?|\x1b[ -/]*[0-~]?",
    re.S,
)
_CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
# Characters that change the order in which text is shown, so that it reads as what it is not.
_BIDI = re.compile(r"[\u202a-\u202e\u2066-\u2069]")


def clean(text: str) -> str:
    """Text without control sequences.

    >>> clean("a\\x1b[31mb\\r\\n")
    'ab\\n'
    """
    text = text.replace("\r\n", "\n")
    if text.isprintable():
        return text
    text = _CONTROLS.sub("", _SEQUENCES.sub("", text))
    return _BIDI.sub(lambda match: f"⟨U+{ord(match[0]):04X}⟩", text)
