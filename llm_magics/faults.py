"""Every failure of a call as one of ours, in three lines: what happened, where, what to do next."""

from __future__ import annotations

import re
import socket
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from llm_magics import errors, wire
from llm_magics.adapt import haystack
from llm_magics.calls import response_text
from llm_magics.config import host_of, is_loopback
from llm_magics.event_stream import BadPayload
from llm_magics.printable import clean
from llm_magics.secrets import NO_KEY

if TYPE_CHECKING:
    from llm_magics.calls import Outcome
    from llm_magics.manager import Connection

SAID = 300  # characters of what a server said that are repeated
KEPT = "What had arrived is above, and in _llm."
_QUOTA = r"insufficient_quota|credit|billing|exceeded your current quota"
_TOO_LONG = r"context[_ ]length|maximum context|context size|too long|too large|context_size"

# (failure, what happened, what to do); {host} and {said} are filled in, {said} with its colon in front.
_Verdict = tuple[type[errors.CallFailed], str, str]


def explain(error: BaseException, *, where: str, outcome: Outcome, connection: Connection) -> errors.CallFailed:
    """The failure for people, without the key, chained to its cause."""
    kind, what, next_move = _verdict(error, outcome, connection)
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


def _verdict(error: BaseException, outcome: Outcome, connection: Connection) -> _Verdict:
    if not outcome.reply.empty:
        return errors.CutOff, f"The answer was cut off: {_why(error)}.", KEPT
    if isinstance(error, BadPayload):
        return _no_answer(error, connection)
    if isinstance(error, wire.ServerError):
        return _refusal(_code_in(error.body), error.message, error.body, connection)
    status = getattr(error, "status_code", None)
    if status is not None:
        return _refusal(status, said_by(error), getattr(error, "body", None), connection)
    if "Timeout" in type(error).__name__:
        return _timed_out(error, connection)
    return _unreached(error, connection)


def _refusal(status: int | None, said: str, body: Any, connection: Connection) -> _Verdict:
    host = host_of(connection.base_url)
    kind, what, next_move = _by_status(status, said, haystack(said, body), connection)
    return kind, what.format(host=host, status=status) + (f": {_short(said)}" if said else "."), next_move


def _by_status(status: int | None, said: str, heard: str, connection: Connection) -> _Verdict:
    """The verdict on an HTTP status, or on an error report that came without one."""
    match status:
        case 401 if connection.api_key.reveal() == NO_KEY:
            return errors.KeyRefused, "{host} wants a key, and none is set", "Type one: %llm_config --ask-key NAME"
        case 401:
            return errors.KeyRefused, "{host} does not accept the key", "See where it came from with %llm_config."
        case 403:
            return errors.KeyRefused, "{host} does not allow this", "The key may lack this model, or this region."
        case 404 if _is_page(said) or not said:
            return errors.ModelNotFound, "{host} has no such path", _path_hint(connection)
        case 404:
            return errors.ModelNotFound, "{host} does not know this", "See what it has with %llm_config --models."
        case 429 if re.search(_QUOTA, heard):
            return errors.RateLimited, "Out of credit at {host}", "Add credit there, or choose another model."
        case 429:
            return errors.RateLimited, "Rate limited by {host}", "Wait a while, or choose another model."
        case 400 | 413 | 422 | 500 if re.search(_TOO_LONG, heard):
            return errors.RequestRefused, "The prompt is too long for this model", "Put less into it."
        case 301 | 302 | 303 | 307 | 308:
            return errors.RequestRefused, "{host} sends this request elsewhere", "Set base_url to where the server is."
        case int() if status >= 500:
            return errors.ServerFailed, "{host} failed with status {status}", "Try again; the server's log knows more."
        case int():
            return errors.RequestRefused, "{host} refused this (status {status})", "See what was sent with --dry-run."
        case None:
            return errors.ServerFailed, "{host} reported an error", "Try again."


def _no_answer(error: BadPayload, connection: Connection) -> _Verdict:
    host = host_of(connection.base_url)
    if error.kind == "a web page":
        title = f" titled {error.detail!r}" if error.detail else ""
        return errors.ProtocolBroken, f"{host} sent a web page{title} instead of an answer.", _path_hint(connection)
    detail = f": {_short(error.detail)}" if error.detail else ""
    next_move = "Is base_url right, and does the server speak Chat Completions?"
    return errors.ProtocolBroken, f"{host} sent {error.kind}{detail}.", next_move


def _path_hint(connection: Connection) -> str:
    base = connection.base_url.rstrip("/")
    if re.search(r"/v\d\w*(/|$)", base):
        return "Is base_url right? A proxy or a login page may be in between."
    return f"Is base_url right? Try {base}/v1"


def _timed_out(error: BaseException, connection: Connection) -> _Verdict:
    host = host_of(connection.base_url)
    if any("Connect" in type(cause).__name__ for cause in _causes(error)):
        return errors.TimedOut, f"{host} did not accept a connection in time.", "Is the address right, the network up?"
    what = f"{host} said nothing for {connection.timeout:g} s."
    return errors.TimedOut, what, "Allow more with %llm_config timeout=SECONDS, or try a smaller prompt."


def _unreached(error: BaseException, connection: Connection) -> _Verdict:
    host, causes = host_of(connection.base_url), list(_causes(error))
    said = " ".join(f"{type(cause).__name__} {cause}" for cause in causes)
    if any(isinstance(cause, socket.gaierror) for cause in causes) or "not known" in said:
        return errors.ConnectionFailed, f"The host name {host} was not found.", "Check base_url and the network."
    if "CERTIFICATE" in said.upper():
        advice = "Set SSL_CERT_FILE to your organisation's certificates."
        return errors.ConnectionFailed, f"The certificate of {host} is not trusted.", advice
    if "refused" in said.lower() or "ConnectError" in said:
        local = "Start the server there, or find others with %llm_config --models."
        advice = local if is_loopback(connection.base_url) else "Check base_url and the network."
        return errors.ConnectionFailed, f"Nothing listens at {host}.", advice
    what = f"The connection to {host} broke: {_why(error)}."
    return errors.ConnectionFailed, what, "Try again; the request may have been charged."


def _why(error: BaseException) -> str:
    """What ended an answer, in words that follow a colon."""
    if isinstance(error, wire.ServerError):
        return f"the server reported an error, {_short(error.message)}"
    if isinstance(error, BadPayload):
        return f"the server sent {error.kind}"
    if "Timeout" in type(error).__name__:
        return "the server fell silent"
    *_, root = _causes(error)
    return _short(str(root)).rstrip(".") or type(root).__name__


def _causes(error: BaseException) -> Iterator[BaseException]:
    seen: set[int] = set()
    link: BaseException | None = error
    while link is not None and id(link) not in seen:
        seen.add(id(link))
        yield link
        link = link.__cause__ or link.__context__


def said_by(error: BaseException) -> str:
    """What the server said in an error response, from wherever it put it."""
    if message := _message_in(getattr(error, "body", None)):
        return message
    response = getattr(error, "response", None)
    return response_text(response) if response is not None else ""


def _message_in(body: Any) -> str:
    if isinstance(body, str):
        return body
    if isinstance(body, Mapping):
        found = next((body[key] for key in ("message", "error", "detail", "msg") if body.get(key)), None)
        metadata = body.get("metadata")
        raw = metadata.get("raw") if isinstance(metadata, Mapping) else None
        return ": ".join(part for part in (_message_in(found), _message_in(raw)) if part)
    if isinstance(body, list) and body:
        return _message_in(body[0])
    return ""


def _code_in(body: Any) -> int | None:
    code = str(body.get("code") or body.get("status") or "") if isinstance(body, Mapping) else ""
    return int(code) if re.fullmatch(r"[45]\d\d", code) else None


def _is_page(said: str) -> bool:
    return said.lstrip().startswith("<")


def _short(said: str) -> str:
    text = re.sub(r"<[^>]*>", " ", said) if _is_page(said) else said
    text = " ".join(clean(text).split())
    return text if len(text) <= SAID else text[: SAID - 1] + "…"
