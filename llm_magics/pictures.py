"""From which hosts a page may load pictures: a setting's value, and the one spelling of an address that is let through.

A picture's address is read by parsers and browsers that each forgive other mistakes in it. So nothing is forgiven here:
what is not plainly ``https://host/path`` is no picture, and so its host is never in doubt.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, Literal

# A host of letters, digits and hyphens; names in other scripts arrive in their ASCII form.
_LABEL = r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?"
_HOST = rf"{_LABEL}(?:\.{_LABEL})*"
_PATTERN = re.compile(rf"(?:\*\.(?={_LABEL}\.{_LABEL}))?(?P<host>{_HOST})(?::(?P<port>[0-9]{{1,5}}))?")
_ADDRESS = re.compile(
    rf"(?P<scheme>https?)://(?P<host>{_HOST})(?::(?P<port>[0-9]{{1,5}}))?(?P<rest>(?:[/?#][!-\[\]-~]*)?)", re.I
)
_PORTS = {"http": 80, "https": 443}
MAX_ADDRESS = 2_000  # characters; longer ones carry data rather than name a picture


@dataclass(frozen=True, slots=True)
class Pictures:
    """What a page may load pictures from.

    Attributes:
        mode: ``block`` none; ``ask`` those of hosts that someone allowed; ``list`` those of the hosts listed.
        hosts: these hosts, each as `host_pattern` writes it.
    """

    mode: Literal["block", "ask", "list"] = "block"
    hosts: frozenset[str] = frozenset()

    def address(self, url: str) -> str | None:
        """The picture's address, spelt so that nobody can take it for another; None where it may not be loaded."""
        found = _parts(url)
        if found is None or not self._allows(found[1]):
            return None
        scheme, host, rest = found
        return f"{scheme}://{host}{rest}"

    def _allows(self, host: str) -> bool:
        """Whether a host is listed, itself or as any host below one (``*.example.org``)."""
        above = host.split(".")
        return host in self.hosts or any(f"*.{'.'.join(above[place:])}" in self.hosts for place in range(1, len(above)))


BLOCKED = Pictures()


def host_to_allow(url: str) -> str | None:
    """The host that would have to be allowed for a picture; None where that would not help."""
    found = _parts(url)
    return found[1] if found else None


def _parts(url: str) -> tuple[str, str, str] | None:
    """Scheme, host with a port that is not the usual one, and the rest; None for what is not plainly an address."""
    match = _ADDRESS.fullmatch(url) if len(url) <= MAX_ADDRESS else None
    if match is None:
        return None
    scheme, name = match["scheme"].lower(), match["host"].lower()
    port = int(match["port"] or _PORTS[scheme])
    if not 0 < port < 2**16 or len(name) > 253 or (scheme == "http" and not _is_loopback(name)):
        return None
    return scheme, name if port == _PORTS[scheme] else f"{name}:{port}", match["rest"]


def _is_loopback(name: str) -> bool:
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return name == "localhost" or name.endswith(".localhost")


def host_pattern(text: str) -> str:
    """A host as it is compared: ``host``, ``host:port`` or ``*.host``, in lower case and in ASCII.

    Raises:
        ValueError: it is none of these.
    """
    try:
        name = text.strip().lower()
        if not name.isascii():
            name = name.encode("idna").decode("ascii")
    except (AttributeError, UnicodeError):
        raise ValueError("not a host") from None
    match = _PATTERN.fullmatch(name)
    if match is None or not 0 < int(match["port"] or 1) < 2**16 or len(name) > 260:
        raise ValueError("not a host")
    return name.removesuffix(":443")


def images(value: Any) -> Any:
    """The setting ``images``: ``block``, ``ask``, or a list of hosts.

    Raises:
        ValueError: it is none of these; the message says what it takes.
    """
    if isinstance(value, str) and value in ("block", "ask"):
        return value
    try:
        if not isinstance(value, list | tuple):
            raise ValueError("not a list")
        for host in value:
            host_pattern(host)
    except ValueError:
        raise ValueError('block, ask, or a list of hosts such as ["upload.wikimedia.org", "*.example.org"]') from None
    return value


def policy(value: Any, allowed: Collection[str] = ()) -> Pictures:
    """What the setting ``images`` comes to; ``allowed`` are the hosts that someone said yes to."""
    if value == "ask":
        return Pictures("ask", frozenset(allowed))
    if isinstance(value, list | tuple):
        return Pictures("list", frozenset(host_pattern(host) for host in value))
    return BLOCKED
