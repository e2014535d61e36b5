"""Every failure of a call as one of ours, in three lines: what happened, where, what to do next."""

from __future__ import annotations

import re
import socket
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from llm_magics import errors, wire
from llm_magics.adapt import haystack
from llm_magics.config import host_of, is_loopback
from llm_magics.printable import clean

if TYPE_CHECKING:
    from llm_magics.calls import Outcome
    from llm_magics.manager import Connection

SAID = 300  # characters of what a server said that are repeated


def explain(error: BaseException, *, where: str, outcome: Outcome, connection: Connection) -> errors.CallFailed:
    """The failure for people, without the key, chained to its cause."""
    kind, what, next_move = _judged(error, outcome, connection)
    failure = kind(
        connection.api_key.redact(what),
        where,
        next_move,
        status=getattr(error, "status_code", None),
        request_id=getattr(error, "request_id", None) or outcome.request_id,
        partial=outcome.reply.text,
    )
    # The cause stays within reach for whoever debugs; IPython shows our lines alone.
    failure.__cause__ = error
    return failure


_Judgement = tuple[type[errors.CallFailed], str, str]


def _judged(error: BaseException, outcome: Outcome, connection: Connection) -> _Judgement:
    if not outcome.reply.empty and not isinstance(error, wire.ServerError):
        return errors.CutOff, f"The answer was cut off: {_why(error)}", "What had arrived is above, and in _llm."
    if isinstance(error, wire.BadPayload):
        return _bad_payload(error, connection)
    if isinstance(error, wire.ServerError):
        return _refused(_status_of(error.body), error.message, error.body, connection)
    status = getattr(error, "status_code", None)
    if status is not None:
        said = said_by(error)
        return _refused(status, said, (getattr(error, "body", None), said), connection)
    if type(error).__name__ == "APITimeoutError" or "Timeout" in type(error).__name__:
        return _timed_out(error, connection)
    if type(error).__name__ == "APIError":
        return errors.ServerFailed, f"The server reported an error: {_short(str(error))}", "Try again."
    return _unreached(error, connection)


def _refused(status: int | None, said: str, body: Any, connection: Connection) -> _Judgement:
    host, hay = host_of(connection.base_url), haystack(said, body)
    told = f": {_short(said)}" if said else "."
    match status:
        case 401:
            return errors.KeyRefused, f"{host} does not accept the key{told}", "Check the key's source with %llm_config, or type one with %llm_config --ask-key NAME."
        case 403:
            return errors.KeyRefused, f"{host} does not allow this{told}", "The key may lack this model, or the region is not served."
        case 404 if _is_page(said) or not said:
            return errors.ModelNotFound, f"{host} has no such path{told}", _path_hint(connection)
        case 404:
            return errors.ModelNotFound, f"{host} does not know this{told}", "See what it has with %llm_config --models."
        case 429 if re.search(r"insufficient_quota|credit|billing|exceeded your current quota", hay):
            return errors.RateLimited, f"Out of credit at {host}{told}", "Add credit there, or choose another model."
        case 429:
            return errors.RateLimited, f"Rate limited by {host}{told}", "Wait a while, or choose another model."
        case 413 | 400 if re.search(r"context[_ ]length|maximum context|context size|too long|too large", hay):
            return errors.RequestRefused, f"The prompt is too long for this model{told}", "Put less into it, or choose a model with a larger context."
        case 300 | 301 | 302 | 303 | 307 | 308:
            return errors.RequestRefused, f"{host} sends this request elsewhere (redirect {status}).", "Set base_url to the address it names."
        case int() if status >= 500:
            return errors.ServerFailed, f"{host} failed with status {status}{told}", "Try again; if it lasts, the server's own log knows more."
        case None:
            return errors.ServerFailed, f"{host} reported an error{told}", "Try again."
        case _:
            return errors.RequestRefused, f"{host} refused the request (status {status}){told}", "See what was sent with --dry-run."


def _bad_payload(error: wire.BadPayload, connection: Connection) -> _Judgement:
    host = host_of(connection.base_url)
    if error.kind == "a web page":
        title = f" titled {error.detail!r}" if error.detail else ""
        return errors.ProtocolBroken, f"{host} sent a web page{title} instead of an answer.", _path_hint(connection)
    if error.kind == "an answer that ends in the middle":
        return errors.CutOff, "The answer was cut off: it ended without a finish reason.", "What had arrived is above, and in _llm."
    detail = f": {clean(error.detail)}" if error.detail else ""
    return errors.ProtocolBroken, f"{host} sent {error.kind}{detail}.", "Is base_url right, and does the server speak Chat Completions?"


def _path_hint(connection: Connection) -> str:
    base = connection.base_url.rstrip("/")
    if re.search(r"/v\d\w*(/|$)", base):
        return "Is base_url right? A proxy or a login page may be in between."
    return f"Is base_url right? Try {base}/v1"


def _timed_out(error: BaseException, connection: Connection) -> _Judgement:
    host = host_of(connection.base_url)
    if "Connect" in "".join(type(cause).__name__ for cause in _causes(error)):
        return errors.TimedOut, f"{host} did not accept a connection in time.", "Is the address right, and is the network up?"
    what = f"{host} said nothing for {connection.timeout:g} s."
    return errors.TimedOut, what, "Allow more with %llm_config timeout=…, or try a smaller prompt."


def _unreached(error: BaseException, connection: Connection) -> _Judgement:
    host, causes = host_of(connection.base_url), list(_causes(error))
    names = " ".join(type(cause).__name__ for cause in causes)
    said = " ".join(str(cause) for cause in causes)
    if any(isinstance(cause, socket.gaierror) for cause in causes) or "Name or service not known" in said:
        return errors.ConnectionFailed, f"The host name {host} was not found.", "Check base_url and the network."
    if "CERTIFICATE" in said.upper():
        return errors.ConnectionFailed, f"The certificate of {host} is not trusted.", "Set SSL_CERT_FILE to your organisation's certificates."
    if "refused" in said.lower() or "ConnectionRefused" in names or "ConnectError" in names:
        server = "Start the local server, or find one with %llm_config --models." if is_loopback(connection.base_url) else "Check base_url and the network."
        return errors.ConnectionFailed, f"Nothing listens at {host}.", server
    return errors.ConnectionFailed, f"The connection to {host} broke: {_why(error)}", "Try again; the request may have been charged."


def _why(error: BaseException) -> str:
    if isinstance(error, wire.BadPayload):
        return f"the server sent {error.kind}" if error.kind != "an answer that ends in the middle" else "it ended without a finish reason"
    if "Timeout" in type(error).__name__:
        return "the server fell silent"
    *_, root = _causes(error)
    return _short(str(root)) or type(root).__name__


def _causes(error: BaseException) -> Iterator[BaseException]:
    seen: set[int] = set()
    link: BaseException | None = error
    while link is not None and id(link) not in seen:
        seen.add(id(link))
        yield link
        link = link.__cause__ or link.__context__


def said_by(error: BaseException) -> str:
    """What the server said in an error response, from wherever it put it."""
    body = getattr(error, "body", None)
    if message := _message_in(body):
        return message
    response = getattr(error, "response", None)
    try:
        return str(response.text) if response is not None else ""
    except (RuntimeError, UnicodeDecodeError):
        return ""


def _message_in(body: Any) -> str:
    if isinstance(body, str):
        return body
    if isinstance(body, Mapping):
        found = next((body[key] for key in ("message", "error", "detail", "msg") if body.get(key)), None)
        raw = body.get("metadata", {}).get("raw") if isinstance(body.get("metadata"), Mapping) else None
        return ": ".join(part for part in (_message_in(found), _message_in(raw)) if part)
    if isinstance(body, list) and body:
        return _message_in(body[0])
    return ""


def _status_of(body: Any) -> int | None:
    code = str(body.get("code") or body.get("status") or "") if isinstance(body, Mapping) else ""
    return int(code) if re.fullmatch(r"[45]\d\d", code) else None


def _is_page(said: str) -> bool:
    return said.lstrip().startswith("<")


def _short(said: str) -> str:
    text = re.sub(r"<[^>]*>", " ", said) if _is_page(said) else said
    text = " ".join(clean(text).split())
    return text if len(text) <= SAID else text[: SAID - 1] + "…"
