"""How requests go through the openai SDK, and what its failures mean, whichever its version and HTTP library."""

from __future__ import annotations

import contextlib
import functools
import urllib.parse
from collections.abc import Iterator
from typing import Any

from llm_magics import wire
from llm_magics.endpoints.clocks import ClockRanOut
from llm_magics.endpoints.unreached import LASTING, trouble
from llm_magics.errors import PromptError
from llm_magics.refusals.adapt import Plan
from llm_magics.refusals.refusal import Refusal, haystack, message_in, status_in
from llm_magics.wire.event_stream import BadPayload

PATH = "/chat/completions"
CONNECT_SECONDS = 10.0  # a host that takes longer to accept a connection will not accept it
# The header by which the SDK's own ``with_streaming_response`` asks for the HTTP response itself. Set here, a request
# skips the SDK's walk through every message and its object for every chunk; the SDK keeps authentication, headers and
# error classes.
_RAW_RESPONSE = {"X-Stainless-Raw-Response": "stream"}
_HTTP_LIBRARIES = frozenset({"anyio", "h11", "httpcore", "httpcore2", "httpx", "httpx2", "ssl", "zlib"})
# What that library lets through of its own innards, given headers and bodies that are none.
_STRAY = (UnicodeError, OSError, EOFError, LookupError)
# What these are called in either library; with any of them the request has not left.
_NOT_SENT = frozenset({"ConnectError", "ConnectTimeout", "PoolTimeout", "ProxyError", "UnsupportedProtocol"})


def options(seconds: float, connect: float | None = None) -> Any:
    """Options of one request, with the socket's patience; its retries belong to `adapt.Plan`, not to the SDK."""
    timeout = _timeout(seconds, min(CONNECT_SECONDS, seconds if connect is None else connect))
    return {"headers": _RAW_RESPONSE, "timeout": timeout, "max_retries": 0}


@functools.lru_cache(maxsize=64)
def _timeout(seconds: float, connect: float) -> Any:
    from openai import Timeout

    return Timeout(seconds, connect=connect)


@contextlib.contextmanager
def sdk_errors() -> Iterator[None]:
    """Raise what the HTTP library lets through as the SDK's nearest class; any other error stays as it is.

    That library is httpx or httpx2, by the SDK's version, so its errors are known by the name of their module.
    """
    from openai import APIConnectionError, APITimeoutError

    try:
        yield
    except ClockRanOut as error:
        raise APITimeoutError(request=None) from error  # type: ignore[arg-type] # there may be none yet
    except (BadPayload, wire.ServerError):
        raise
    except Exception as error:
        if isinstance(error, TypeError | ValueError) and "JSON" in str(error):
            raise PromptError(f"the request cannot be written as JSON ({error}): nothing was sent.") from None
        if type(error).__module__.partition(".")[0] not in _HTTP_LIBRARIES and not isinstance(error, _STRAY):
            raise
        request: Any = None
        with contextlib.suppress(RuntimeError):  # it has none
            request = getattr(error, "request", None)
        if "Timeout" in type(error).__name__:
            raise APITimeoutError(request=request) from error
        raise APIConnectionError(message=f"Connection error: {error}", request=request) from error


def api_error(error: wire.ServerError | BadPayload, response: Any) -> Exception:
    """An error report, or what is no answer, as the SDK's class for both."""
    from openai import APIError

    if isinstance(error, wire.ServerError):
        return APIError(error.message, response.request, body=error.body)
    hint = " Is the base_url right? It usually ends in /v1." if error.kind == "a web page" else ""
    return APIError(f"the endpoint sent {error} instead of a chat completion.{hint}", response.request, body=None)


# ---------------------------------------------------------------- facts of a failure


def facts(error: BaseException, plan: Plan) -> Refusal:
    """What `adapt` needs to know of a failed attempt."""
    import openai

    if isinstance(error, wire.ServerError):
        return Refusal(status=status_in(error.body), said=haystack(error.message, error.body), message=error.message)
    if isinstance(error, openai.APIConnectionError):
        timed_out = isinstance(error, openai.APITimeoutError)
        cause = type(error.__cause__).__name__
        return Refusal(
            status=None,
            said="",
            reached=False,
            sent=cause not in _NOT_SENT,
            begun=plan.begun,
            timed_out=timed_out,
            lasting=trouble(error) in LASTING,
        )
    body, message = getattr(error, "body", None), str(getattr(error, "message", ""))
    response = getattr(error, "response", None)
    if response is None:  # reported inside a 200
        return Refusal(status=status_in(body), said=haystack(body, message), message=message)
    return Refusal(
        status=response.status_code,
        said=haystack(response_text(response) or (body, message)),
        message=message_in(response_text(response)) or message,
        headers={name.lower(): value for name, value in response.headers.items()},
    )


def response_text(response: Any) -> str:
    """The body of an error response as text; nothing when it was not read."""
    try:
        return str(response.text)
    except (RuntimeError, UnicodeDecodeError):  # httpx: ResponseNotRead is a RuntimeError
        return ""


def moved_to(error: BaseException) -> str | None:
    """Where a server sends a POST within its own origin; None for every other failure, and for other origins.

    Only 307 and 308 keep a request as it is (source: RFC 9110, 15.4).
    """
    response = getattr(error, "response", None)
    if response is None or response.status_code not in (307, 308):
        return None
    here = str(response.url)
    try:
        there = urllib.parse.urljoin(here, response.headers.get("location", ""))
        same = _origin(there) == _origin(here)
    except ValueError:
        return None
    return there if same and there != here else None


def _origin(url: str) -> tuple[str, str | None, int | None]:
    parts = urllib.parse.urlsplit(url)
    return parts.scheme, parts.hostname, parts.port or {"http": 80, "https": 443}.get(parts.scheme)
