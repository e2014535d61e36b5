"""What can be clicked, one module for each; the only place that imports ipywidgets, and only when something is shown.

A widget puts HTML on the page as it is: all of it passes `show`.
"""

from __future__ import annotations

import importlib.util
from typing import Any

from llm_magics.key_shapes import masked
from llm_magics.printable import clean
from llm_magics.safe.html import clean_html, words


def available() -> bool:
    """Whether there are widgets to show; whether the page shows them is the page's own business."""
    try:
        if importlib.util.find_spec("ipywidgets") is None:
            return False
        import ipywidgets

        return int(ipywidgets.__version__.partition(".")[0]) >= 8
    except Exception:  # noqa: BLE001 - somebody else's package, perhaps half installed; there is a table without it
        return False


def show(place: Any, html: str) -> None:
    """Show this HTML of ours in an HTML widget, through the door that all of it passes."""
    place.value = clean_html(html)


def close(widget: Any) -> None:
    """Take a widget off the page and let go of it, with all that it is made of: nothing else ever does."""
    for child in getattr(widget, "children", ()):
        close(child)
    for part in (widget.layout, getattr(widget, "style", None), widget):
        if part is not None:
            part.close()


def told(text: str) -> str:
    """Plain text as HTML; empty where there is none."""
    return f"<div>{words(masked(text))}</div>" if text else ""


def readable(text: str) -> str:
    """A name that somebody else chose, as a control shows it."""
    return " ".join(clean(masked(text)).split())
