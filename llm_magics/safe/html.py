"""HTML of our own: every leaf escaped as it is built, and one door that lets through only what reading needs.

Escaping is the first wall, the door the second: a leaf that someone forgot to escape still reaches no page as a script,
a style, a form or a request to another host.
"""

from __future__ import annotations

import html
import re
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from llm_magics.printable import clean

_INLINE = {"a", "b", "br", "code", "del", "em", "ins", "span"}
_BLOCKS = {"details", "div", "p", "pre", "summary", "table", "tbody", "td", "th", "thead", "tr"}
WIDGET = "application/vnd.jupyter.widget-view+json"
TAGS = frozenset(_INLINE | _BLOCKS)
# What Markdown is made of besides, and pictures that stand in the text itself.
PROSE = frozenset({"blockquote", "h1", "h2", "h3", "h4", "h5", "h6", "hr", "img", "li", "ol", "s", "strong", "ul"})
SCHEMES = frozenset({"http", "https", "mailto"})
_ATTRIBUTES = {"a": {"href"}, "details": {"open"}, "img": {"alt", "src"}, "ol": {"start"}}
LEFT = "text-align:left"  # notebooks set the cells of a table to the right, as if all were numbers
_PICTURE = re.compile(r"data:image/(?:png|jpeg|gif|webp);base64,[A-Za-z0-9+/=]+")
# A page's typesetter looks for formulas in text, up to the next element.
_FORMULA = re.compile(r"\$|\\(?=[$\\()\[\]]|begin|(?:eq)?ref)")


def leaf(text: str) -> str:
    """Text that shows exactly this text, inside an element or a quoted attribute.

    >>> leaf("<b> & 'c'")
    '&lt;b&gt; &amp; &#x27;c&#x27;'
    """
    return html.escape(clean(text), quote=True)


def words(text: str) -> str:
    """Text inside an element: as `leaf`, its line ends kept, and no formula found in it."""
    apart = _FORMULA.sub(r"\g<0><span></span>", leaf(text))
    return apart.replace("\n", "<br>")


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table of plain texts.

    >>> table(["a"], [["<1>"]]).count("&lt;1&gt;")
    1
    """
    lines = "".join(f"<tr>{''.join(_cell('td', cell) for cell in row)}</tr>" for row in rows)
    heads = "".join(_cell("th", cell) for cell in head)
    return f"<table><thead><tr>{heads}</tr></thead><tbody>{lines}</tbody></table>"


def clean_html(text: str, more: Collection[str] = ()) -> str:
    """HTML in which only the allowed tags are left, without attributes that style, name or run anything.

    Links lead to http, https or mail addresses, and tell nobody where they were found. ``more`` are tags that are
    allowed besides, such as `PROSE`.
    """
    import nh3

    return nh3.clean(
        clean(text),
        tags={*TAGS, *more},
        attributes={"*": set(), **_ATTRIBUTES},
        attribute_filter=_attribute,
        tag_attribute_values={"td": {"style": {LEFT}}, "th": {"style": {LEFT}}},
        url_schemes={*SCHEMES, "data"},
        link_rel="noopener noreferrer",
    )


def safe_bundle(bundle: Mapping[str, Any]) -> dict[str, Any]:
    """A display's MIME types, its HTML through the door; every display of ours passes here.

    A widget is only referred to: what it shows, `llm_magics.widgets` has to make safe.

    Raises:
        ValueError: a type that can do more than be read.
    """
    unknown = set(bundle) - {"text/plain", "text/markdown", "text/html", WIDGET}
    if unknown:
        raise ValueError(f"{', '.join(sorted(unknown))}: not shown, as nobody made it safe")
    return {kind: clean_html(shown) if kind == "text/html" else shown for kind, shown in bundle.items()}


def _cell(tag: str, text: str) -> str:
    return f'<{tag} style="{LEFT}">{words(text)}</{tag}>'


def _attribute(tag: str, name: str, value: str) -> str | None:
    """The attribute's value; None takes it away. An address without a scheme would lead into the notebook's server."""
    if name == "href" and not re.match(r"(?:https?://|mailto:)", value, re.I):
        return None
    if name == "src" and not _PICTURE.fullmatch(value):
        return None
    return value
