"""Links that name the host they lead to, and bare URLs as links: what may be linked is decided here."""

from __future__ import annotations

import html.entities
import re
import urllib.parse
from collections.abc import Iterator
from typing import TYPE_CHECKING

from llm_magics.safe.text import JOINER, apart, code_span, escaped, readable, unlinked

if TYPE_CHECKING:
    from markdown_it.rules_inline import StateInline

LINK_SCHEMES = ("http", "https", "mailto")


def link(shown: str, url: str) -> str:
    """A link that shows this text and names its host; text alone where the URL may not be linked."""
    return link_to(escaped(" ".join(readable(shown).split("\n"))), shown, normalized(url))


def link_to(shown: str, plain: str, url: str, behind: str = "") -> str:
    """A link and, unless its text or what stands behind it does, the name of the host it leads to."""
    host = host_of(url)
    if host is None:
        return unlinked(shown) + (f" ({address_as_code(url)})" if url and url not in plain else "")
    is_named = re.search(rf"(?<![\w.-]){re.escape(host)}(?![\w-]|\.\w)", plain, re.I) or (
        behind.replace(JOINER, "").startswith(f" ({host})")
    )
    named = "" if is_named else f" ({unlinked(escaped(host))})"
    return f"[{shown.strip(' ') or escaped(host)}]({destination(url)}){named}"


def host_of(url: str) -> str | None:
    """The host that a link leads to (the address, for mail); None where it may not be a link."""
    try:
        parts = urllib.parse.urlsplit(url)
        host = parts.path if parts.scheme.lower() == "mailto" else parts.hostname
    except ValueError:
        return None
    return host if parts.scheme.lower() in LINK_SCHEMES and re.fullmatch(r"[\w.@+-]+", host or "") else None


def destination(url: str) -> str:
    """A URL that no parser can take for anything else: what could end it, or begin something, percent-encoded."""
    return _LIKE_A_REFERENCE.sub("&amp;", urllib.parse.quote(url, safe="/:?#@!&+,=%~-._").replace("~~", "%7E%7E"))


# Parsers differ on ``&copy=1``: for some it is a sign of copyright.
_LIKE_A_REFERENCE = re.compile(f"&(?={'|'.join(name for name in html.entities.html5 if name[-1] != ';')})")


def address_as_code(url: str) -> str:
    """An address that may not be linked. It may be written many times, so that signs in it always count as two."""
    return code_span(re.sub("~(?=~)", f"~{JOINER}", apart(url)))


def normalized(url: str) -> str:
    """A URL as the parser writes it: percent-encoded, its host in ASCII."""
    from markdown_it.common.normalize_url import normalizeLink

    return normalizeLink(url)


def bare_urls(text: str) -> Iterator[tuple[int, str]]:
    """Where each bare URL of a text begins, and the URL without the punctuation of the sentence around it."""
    for match in _BARE_URL.finditer(text):
        yield match.start(), _without_end(match[0])


_URL_SIGN = r"[^\s<>\"'`\\|{}，。；：！？）】」』、…]"
_BARE_URL = re.compile(rf"(?<![\w@/.])(?:https?://|www\.)(?=\w){_URL_SIGN}+", re.I)


def url_in_line(state: StateInline, silent: bool) -> bool:
    """A bare URL is plain text while a line is read: what is an underscore in it is no emphasis."""
    if state.src[state.pos] != ":":
        return False
    scheme = re.search(r"https?\Z", state.src[max(state.pos - 5, 0) : state.pos], re.I)
    url = _URL_IN_LINE.match(state.src, state.pos - len(scheme[0]), state.posMax) if scheme else None
    end = url.start() + len(_without_end(url[0])) if url else 0
    if end <= state.pos:
        return False
    if not silent:
        state.pending += state.src[state.pos : end]
    state.pos = end
    return True


# Up to what else may mean something: brackets, a formula, stars, an entity.
_URL_IN_LINE = re.compile(rf"(?<![\w@/.])https?://(?=\w)(?:(?!~~|&#?\w{{1,32}};|[\[\]$*]){_URL_SIGN})+", re.I)


def _without_end(url: str) -> str:
    """A bare URL without the punctuation that belongs to the sentence around it."""
    end, unopened = len(url), url.count(")") - url.count("(")
    while (url[end - 1] in ".,:;!?*_~]" and not _DUNDER.search(url, max(end - 40, 0), end)) or (
        url[end - 1] == ")" and unopened > 0
    ):
        end, unopened = end - 1, unopened - (url[end - 1] == ")")
    return url[:end]


# Python's special names, which many addresses of its documentation end in.
_DUNDER = re.compile(r"(?<![^\W_])__[^\W_]+(?:_[^\W_]+)*__\Z")
