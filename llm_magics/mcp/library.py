"""The library that speaks MCP, imported at its first use, and what differs between its versions; known nowhere else."""

from __future__ import annotations

import importlib.util
import logging
import sys
from collections.abc import Awaitable, Callable
from typing import Any

from llm_magics.errors import ServerUnusable
from llm_magics.local.piped import LONGEST

# JSON-RPC's "no such method", MCP's "not this version": it may know the newer handshake
_NO_SUCH_WAY = (-32601, -32022)


def check() -> None:
    """See that the library is there, without importing it.

    Raises:
        ServerUnusable: it is not; the message says what to install.
    """
    importlib.invalidate_caches()  # it may have been installed a moment ago
    if importlib.util.find_spec("mcp") is None:
        raise ServerUnusable('MCP servers need the package mcp: %pip install "jupyter-llm-magics[mcp]"')


def known_types() -> Any:
    """The library's module of MCP's types."""
    import mcp.types

    return mcp.types


def message(body: Any) -> Any:
    """A message as the session takes it. The library's second version has a reader where its first has a class."""
    from mcp.shared.message import SessionMessage

    kind: Any = known_types().JSONRPCMessage
    if isinstance(kind, type):
        return SessionMessage(kind.model_validate(body))  # type: ignore[attr-defined]
    from mcp.types import jsonrpc_message_adapter

    return SessionMessage(jsonrpc_message_adapter.validate_python(body, by_name=False))


def new_session(read: Any, write: Any, hear: Callable[[Any], Awaitable[None]]) -> Any:
    """A session over these streams; ``hear`` is given what the server says of its own accord."""
    from mcp import ClientSession

    version = str(getattr(sys.modules.get("llm_magics"), "__version__", "0"))
    who = known_types().Implementation(name="llm_magics", version=version)
    return ClientSession(read, write, message_handler=hear, client_info=who)


async def greet(session: Any) -> None:
    """The handshake that all servers know; then, for those that refuse it, the newer one."""
    try:
        await session.initialize()
    except Exception as error:
        code = getattr(getattr(error, "error", None), "code", None)
        if code not in _NO_SUCH_WAY or not hasattr(session, "discover"):
            raise
        await session.discover()


async def call(session: Any, tool: str, arguments: dict[str, Any]) -> dict[str, Any]:
    """A tool's answer. Not by the library's own method, which looks at it with a schema that strangers wrote."""
    types = known_types()
    request = types.CallToolRequest(
        method="tools/call", params=types.CallToolRequestParams(name=tool, arguments=arguments)
    )
    kind = types.ClientRequest
    whole = kind(request) if isinstance(kind, type) else request
    return plain(await session.send_request(whole, types.CallToolResult))


def plain(answer: Any) -> dict[str, Any]:
    """An answer by the names that it has on the wire, which are the same in all versions."""
    plain: dict[str, Any] = answer.model_dump(by_alias=True, mode="json", exclude_none=True)
    return plain


def http_client(headers: dict[str, str], note: Callable[[Any], Awaitable[None]]) -> Any:
    """The HTTP client that the library would make; ``note`` is given every response."""
    from mcp.shared._httpx_utils import create_mcp_http_client

    client = create_mcp_http_client(headers=headers)
    client.follow_redirects = False  # the library follows those within the origin itself
    client.event_hooks = {"response": [note]}
    return client


def http_transport(url: str, client: Any) -> Any:
    """The library's streams of messages to and from a URL, as a context."""
    import inspect

    from mcp.client.streamable_http import streamable_http_client

    known = inspect.signature(streamable_http_client).parameters
    limit = {"max_sse_event_size": LONGEST} if "max_sse_event_size" in known else {}
    return streamable_http_client(url, http_client=client, **limit)


def hush() -> None:
    """What the library logs when a server misbehaves is no one's to read unless they asked for logs."""
    for name in ("mcp", "client"):
        logger = logging.getLogger(name)
        if not any(isinstance(handler, logging.NullHandler) for handler in logger.handlers):
            logger.addHandler(logging.NullHandler())
