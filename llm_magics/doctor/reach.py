"""What a check does to an endpoint: look its host up, knock, fetch a page, ask. Facts come back; nothing is judged."""

from __future__ import annotations

import asyncio
import ipaddress
import time
import urllib.parse
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from llm_magics import wire
from llm_magics.config import is_loopback
from llm_magics.endpoints.clocks import Clocks
from llm_magics.endpoints.exchange import Outcome, exchange
from llm_magics.endpoints.providers import MAX_LISTING
from llm_magics.endpoints.sdk import options, response_text, sdk_errors
from llm_magics.endpoints.unreached import trouble
from llm_magics.refusals.adapt import Plan
from llm_magics.wire.event_stream import BadPayload, parse

if TYPE_CHECKING:
    from openai import AsyncOpenAI


@dataclass(frozen=True, slots=True)
class Place:
    """Where a connection is made to; ``proxy`` names the setting that put a proxy in between, or is empty."""

    host: str
    port: int
    proxy: str = ""

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """What a GET brought: an HTTP answer of any status, or the error that came instead of one."""

    status: int | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    error: Exception | None = None

    @property
    def is_web_page(self) -> bool:
        """Whether it is made for a browser."""
        return self.body.lstrip()[:1] == b"<" or "html" in self.headers.get("content-type", "")

    @property
    def json(self) -> Any:
        """Its JSON; None where it is none."""
        try:
            return parse(self.body)
        except BadPayload:
            return None


@dataclass(slots=True)
class Asked:
    """One request for an answer, refused parts changed on the way, and how it went.

    Attributes:
        outcome: the answer, and what was changed to get it.
        error: what went wrong; None when there is a whole answer.
        seconds: how long it took, from the first request to the end.
        arrivals: seconds after the start at which pieces came, and how many at once.
    """

    outcome: Outcome
    error: Exception | None = None
    seconds: float = 0.0
    arrivals: list[tuple[float, int]] = field(default_factory=list)


def heard(asked: Asked) -> str:
    """Everything in the error response to a request."""
    response = getattr(asked.error, "response", None)
    return response_text(response) if response is not None else str(asked.error)


def place_of(base_url: str) -> Place:
    """Where the HTTP library would connect to: the host itself, or the proxy that the environment sets for it."""
    parts = urllib.parse.urlsplit(base_url)
    host = parts.hostname or ""
    proxies = {} if is_loopback(base_url) else urllib.request.getproxies()
    for scheme in (parts.scheme, "all"):
        if (url := proxies.get(scheme)) and not urllib.request.proxy_bypass(host):
            name = f"{scheme.upper()}_PROXY"
            try:
                proxy = urllib.parse.urlsplit(url if "://" in url else f"http://{url}")
                return Place(proxy.hostname or "", _port(proxy), name)
            except ValueError:  # it is no address; whoever looks that up finds nothing
                return Place("", 0, name)
    return Place(host, _port(parts))


def _port(parts: urllib.parse.SplitResult) -> int:
    usual = 443 if parts.scheme == "https" else 80
    try:
        return parts.port or usual
    except ValueError:  # a proxy's address that nobody checked
        return usual


async def look_up(host: str) -> list[str]:
    """The addresses of a host; itself when it is one.

    Raises:
        OSError: it has none.
    """
    try:
        return [str(ipaddress.ip_address(host))]
    except ValueError:
        found = await asyncio.get_running_loop().getaddrinfo(host, None)
        return list(dict.fromkeys(str(one[4][0]) for one in found))


async def knock(place: Place) -> float:
    """Make a connection and close it; the seconds it took.

    Raises:
        OSError: nobody opened.
    """
    began = time.monotonic()
    _, writer = await asyncio.open_connection(place.host, place.port)
    seconds = time.monotonic() - began
    writer.close()
    return seconds


async def get(client: AsyncOpenAI, url: str, seconds: float) -> Page:
    """Fetch a page the way the client makes every request: with its key, its certificates, its proxy."""
    import openai

    try:
        async with asyncio.timeout(1.5 * seconds):  # the HTTP library's own patience tells more about what it met
            with sdk_errors():
                answer: Any = await client.get(url, cast_to=object, options=options(seconds))
                response = answer.http_response
                try:
                    return _page(response, await _body(response))
                finally:
                    await response.aclose()
    except openai.APIStatusError as error:
        return _page(error.response, response_text(error.response).encode("utf-8", "replace"))
    except (openai.APIError, TimeoutError) as error:
        return Page(error=error)


async def _body(response: Any) -> bytes:
    body = b""
    async for piece in response.aiter_bytes():
        body += piece
        if len(body) > MAX_LISTING:
            break
    return body


def _page(response: Any, body: bytes) -> Page:
    headers = {name.lower(): value for name, value in response.headers.items()}
    return Page(status=response.status_code, headers=headers, body=body)


async def ask(client: AsyncOpenAI, body: Mapping[str, Any], seconds: float) -> Asked:
    """Ask once: nothing is tried again but what was refused, without what was refused, and what met a closed line.

    ``seconds`` is the patience with silence; all of it may take twice as long.
    """
    asked = await _asked(client, body, seconds)
    if _met_a_closed_line(asked):
        asked = await _asked(client, body, seconds)
        asked.outcome.plan.attempts += 1
    return asked


def _met_a_closed_line(asked: Asked) -> bool:
    """Whether the connection was kept from the probe before, and the server had closed it meanwhile, as far as seen."""
    error = asked.error
    unheard = error is not None and not asked.outcome.plan.begun and "Timeout" not in type(error).__name__
    return unheard and not hasattr(error, "response") and trouble(error) == "broken"  # type: ignore[arg-type]


async def _asked(client: AsyncOpenAI, body: Mapping[str, Any], seconds: float) -> Asked:
    import openai

    clocks = Clocks(first_token=seconds, silence=seconds, total=2 * seconds)
    asked = Asked(Outcome(wire.Reply(), Plan(dict(body), 0, bends=True), clocks))
    began = time.monotonic()
    try:
        async for events in exchange(client, asked.outcome):
            if not asked.outcome.reply.empty:
                asked.arrivals.append((time.monotonic() - began, len(events)))
    except (openai.APIError, wire.ServerError, BadPayload) as error:
        asked.error = error
    asked.seconds = time.monotonic() - began
    reply = asked.outcome.reply
    if asked.error is None and not reply.finished and (reply.empty or not reply.done):
        asked.error = BadPayload("an empty answer" if reply.empty else "an answer that ends in the middle")
    return asked
