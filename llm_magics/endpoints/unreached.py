"""What kept a request from being answered, read from the errors underneath the SDK's.

Those are httpx's or httpx2's, by the SDK's version, and h11's, ssl's and the socket's below; so they are known by name.
"""

from __future__ import annotations

import socket
from collections.abc import Iterator
from typing import Literal

Trouble = Literal[
    "no such host", "nobody", "slow to connect", "certificate", "no TLS", "TLS", "not HTTP", "compression", "broken"
]
# Those that another try would meet again.
LASTING: frozenset[Trouble] = frozenset({"certificate", "no TLS", "TLS", "not HTTP", "compression"})
_NO_TLS = ("WRONG_VERSION_NUMBER", "RECORD_LAYER_FAILURE", "PACKET_LENGTH_TOO_LONG", "HTTP_REQUEST")
# h11's words for what is no HTTP, or too much of it
_NO_HTTP = (
    "illegal status line",
    "illegal request line",
    "illegal header line",
    "Receive buffer too long",
    "bad Content-Length",
    "conflicting Content-Length",
    "no response line received",
    "status_code should be in range",
)


def trouble(error: BaseException) -> Trouble:
    """The kind of failure that a connection met."""
    chain = list(causes(error))
    names = " ".join(type(cause).__name__ for cause in chain)
    said = " ".join(f"{type(cause).__name__} {cause}" for cause in chain)
    if any(isinstance(cause, socket.gaierror) for cause in chain) or "not known" in said:
        return "no such host"
    if "CERTIFICATE" in said.upper():
        return "certificate"
    if "ConnectTimeout" in names:
        return "slow to connect"
    if any(words in said for words in _NO_TLS):
        return "no TLS"
    if "SSL:" in said and "Connect" in names:
        return "TLS"
    if any(words in said for words in _NO_HTTP):
        return "not HTTP"
    if "DecodingError" in names:
        return "compression"
    if "refused" in said.lower() or "ConnectError" in names:
        return "nobody"
    return "broken"


def causes(error: BaseException) -> Iterator[BaseException]:
    """An error and what is underneath it, from the top.

    The HTTP library's error for a status is left out: what broke while an error response was read did not come of it.
    """
    seen: set[int] = set()
    link: BaseException | None = error
    while link is not None and id(link) not in seen:
        seen.add(id(link))
        if type(link).__name__ != "HTTPStatusError":
            yield link
        link = link.__cause__ or link.__context__
