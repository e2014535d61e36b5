"""The way to an endpoint: its address, its host, a connection, TLS."""

from __future__ import annotations

import asyncio

from llm_magics.config import is_loopback
from llm_magics.doctor import reach
from llm_magics.doctor.checkup import Checkup, Row, duration
from llm_magics.doctor.remedies import usual_server
from llm_magics.endpoints.unreached import causes, trouble


async def address(c: Checkup) -> Row:
    if c.base_url.startswith("http://") and not is_loopback(c.base_url):
        return c.wrong(f"{c.base_url}: prompts and keys can be read on the way", "Use https:// if the server has it.")
    return c.fine(c.base_url)


async def host_name(c: Checkup) -> Row:
    try:
        async with asyncio.timeout(c.arriving):
            found = await reach.look_up(c.place.host)
    except (OSError, UnicodeError) as error:  # a TimeoutError is an OSError; a name may be one that cannot be written
        slow = isinstance(error, TimeoutError)
        what = f"{c.place.host or 'its proxy'} was not {'found in time' if slow else 'found'}"
        todo = _proxy_todo(c) if c.place.proxy else "Check base_url and the network."
        return c.wrong(what, todo, stop="its host was not found")
    return c.fine(", ".join(found[:3]) + (" (of a proxy)" if c.place.proxy else ""))


async def connection(c: Checkup) -> Row:
    try:
        async with asyncio.timeout(c.arriving):
            c.knocked = await reach.knock(c.place)
    except OSError as error:
        if isinstance(error, TimeoutError):
            what, todo = f"{c.place} did not answer within {c.arriving:g} s", "A firewall or a VPN may be in between."
        else:
            what, todo = f"nothing listens at {c.place}", _start(c)
        return c.wrong(what, todo, stop="there is no connection")
    through = f" through the proxy that {c.place.proxy} names" if c.place.proxy else ""
    return c.fine(f"{c.place}{through}, {duration(c.knocked)}")


def _proxy_todo(c: Checkup) -> str:
    return f"Check the proxy that {c.place.proxy} names, or except {c.host} with NO_PROXY."


def _start(c: Checkup) -> str:
    if c.patient.again:
        return c.patient.again
    if c.place.proxy:
        return _proxy_todo(c)
    if server := usual_server(c.base_url):
        return f"Start the server, for example {server.title}: {server.start}"
    return "Start the server there." if is_loopback(c.base_url) else "Check base_url and the network."


async def tls(c: Checkup) -> Row:
    """Through the client itself, as it may trust other certificates than Python does."""
    page = await c.listing()
    if c.base_url.startswith("http://"):
        return Row("", "–", "not used: http")
    match trouble(page.error) if page.error is not None else None:
        case None:
            return c.fine("its certificate is trusted")
        case "certificate":
            todo = "Set SSL_CERT_FILE to your organisation's certificates."
            return c.wrong(_root(page.error), todo, stop="its certificate is not trusted")
        case "no TLS":
            todo = "Write http:// instead of https:// in base_url."
            return c.wrong("the server does not speak TLS", todo, stop="there is no secure connection")
        case "TLS" | "slow to connect":
            todo = "Check base_url. A server without TLS wants http:// there."
            return c.wrong(f"no secure connection: {_root(page.error)}", todo, stop="there is no secure connection")
        case _:
            return Row("", "–", "no answer came")


def _root(error: Exception | None) -> str:
    """What is at the bottom of an error."""
    *_, root = causes(error or Exception())
    return str(root) or type(root).__name__
