"""Every failure of a call as one of ours, in three lines: what happened, where, what to do next."""

from __future__ import annotations

import contextlib
import html
import re
import urllib.parse
from typing import TYPE_CHECKING, Any

from llm_magics import errors, wire
from llm_magics.config import host_of, is_loopback
from llm_magics.endpoints.clocks import ClockRanOut
from llm_magics.endpoints.sdk import response_text
from llm_magics.endpoints.unreached import causes, trouble
from llm_magics.printable import short_line
from llm_magics.refusals.refusal import (
    LOOKED_INTO,
    NO_SUCH_KEY,
    TOO_LONG,
    TOO_MUCH_ASKED,
    UNKNOWN_MODEL,
    WANTS_TLS,
    haystack,
    is_out_of_credit,
    message_in,
    status_in,
    told_pause,
)
from llm_magics.refusals.retries import MAX_WAIT, asked_pause
from llm_magics.scrub import scrubbed
from llm_magics.secrets import NO_KEY
from llm_magics.wire.event_stream import BadPayload

if TYPE_CHECKING:
    from llm_magics.endpoints.exchange import Outcome
    from llm_magics.manager import Connection

SAID = 300  # characters of what a server said that are repeated
KEPT = "What had arrived is above, and in _llm."

# (failure, what happened, what to do); {host} and {said} are filled in, {said} with its colon in front.
_Verdict = tuple[type[errors.CallFailed], str, str]


def explain(
    error: BaseException, *, name: str, where: str, outcome: Outcome, connection: Connection
) -> errors.CallFailed:
    """The failure for people, without the key, chained to its cause; ``name`` is the model's, to be typed as it is."""
    error = scrubbed(error, connection.redactor)
    kind, what, next_move = _verdict(error, outcome, connection)
    failure = kind(
        what,
        where,
        next_move.replace("--ask-key NAME", "--ask-key " + (f'"{name}"' if " " in name else name)),
        attempts=outcome.plan.attempts,
        status=getattr(error, "status_code", None),
        request_id=connection.redactor.value(getattr(error, "request_id", None) or outcome.request_id),
        partial=connection.answer_redactor.text(outcome.reply.text),
    )
    # The cause stays within reach for whoever debugs; IPython shows our lines alone.
    failure.__cause__ = error
    return failure


def _verdict(error: BaseException, outcome: Outcome, connection: Connection) -> _Verdict:
    if not outcome.reply.empty:
        return errors.CutOff, f"The answer was cut off: {_why(error)}.", f"{KEPT}{_patience(error)}"
    if isinstance(error, BadPayload):
        return _no_answer(error, connection)
    if isinstance(error, wire.ServerError):
        return _refusal(status_in(error.body), error.message, error.body, connection)
    status = getattr(error, "status_code", None)
    if status in (301, 302, 303, 307, 308):
        return _sent_elsewhere(error, connection)
    if status is not None:
        return _refusal(status, said_by(error), getattr(error, "body", None), connection, _pause_asked_for(error))
    if "Timeout" in type(error).__name__:
        return _timed_out(error, connection)
    return _unreached(error, connection)


def _refusal(status: int | None, said: str, body: Any, connection: Connection, pause: float | None = None) -> _Verdict:
    host = host_of(connection.base_url)
    heard = haystack(said, body)
    kind, what, next_move = _by_status(status, said, heard, connection)
    if pause is None and status == 429:
        pause = told_pause(heard)
    if pause is not None and pause > MAX_WAIT and kind is not errors.OutOfCredit:
        next_move = f"It asks for a pause of {pause:.0f} s: come back then, or choose another model."
    return kind, what.format(host=host, status=status) + (f": {_short(said)}" if said else "."), next_move


def _by_status(status: int | None, said: str, heard: str, connection: Connection) -> _Verdict:
    """The verdict on an HTTP status, or on an error report that came without one."""
    match status:
        case 402:
            return errors.OutOfCredit, "Out of credit at {host}", "Add credit there, or choose another model."
        case 400 | 401 | 403 | 429 | None if is_out_of_credit(heard):
            return errors.OutOfCredit, "Out of credit at {host}", "Add credit there, or choose another model."
        case 401 if connection.api_key.reveal() == NO_KEY:
            return errors.KeyRefused, "{host} wants a key, and none is set", "Type one: %llm_config --ask-key NAME"
        case 401:
            return errors.KeyRefused, "{host} does not accept the key", "See where it came from with %llm_config."
        case 400 | 403 | None if NO_SUCH_KEY.search(heard):
            return errors.KeyRefused, "{host} does not accept the key", "See where it came from with %llm_config."
        case 403 if _is_page(said):
            return errors.KeyRefused, "{host} does not let this through", _path_hint(connection)
        case 403 if connection.api_key.reveal() == NO_KEY:
            may = "It may want a key (type one: %llm_config --ask-key NAME), or not serve this region."
            return errors.KeyRefused, "{host} does not allow this", may
        case 403:
            return errors.KeyRefused, "{host} does not allow this", "The key may lack this model, or this region."
        case 404 | 405 if _is_no_path(said, heard, connection):
            return errors.ModelNotFound, "{host} has no such path", _path_hint(connection)
        case 400 | 410 | 422 if UNKNOWN_MODEL.search(heard):
            return errors.ModelNotFound, "{host} does not know this", "See what it has with %llm_config --models."
        case 404:
            return errors.ModelNotFound, "{host} does not know this", "See what it has with %llm_config --models."
        case 429:
            return errors.RateLimited, "Rate limited by {host}", "Wait a while, or choose another model."
        case 407 | 511:
            what = "Something before {host} wants to know who you are (status {status})"
            return errors.ConnectionFailed, what, "Sign in to this network with a browser, or to its proxy."
        case 400 if WANTS_TLS.search(heard):
            return errors.RequestRefused, "{host} wants TLS", "Write https:// instead of http:// in base_url."
        case 413:
            return errors.PromptTooLong, "The prompt is too long for {host}", "Put less into it."
        case 400 | 422 | None if TOO_MUCH_ASKED.search(heard):
            return errors.RequestRefused, "{host} refused this", "Ask with a smaller --max-tokens."
        case 400 | 422 | 500 | None if TOO_LONG.search(heard):
            return errors.PromptTooLong, "The prompt is too long for this model", "Put less into it."
        case 408 | 409 | 425:
            return errors.ServerFailed, "{host} could not take this now (status {status})", "Try again."
        case int() if status >= 500:
            return errors.ServerFailed, "{host} failed with status {status}", "Try again; the server's log knows more."
        case int():
            return errors.RequestRefused, "{host} refused this (status {status})", "See what was sent with --dry-run."
        case None:
            return errors.ServerFailed, "{host} reported an error", "Try again."


# What frameworks say of a path that nothing of theirs serves, before any model is looked for.
_NO_PATH = re.compile(r"(?:404:? )?(?:page |resource )?not found\.?|method not allowed\.?|cannot post \S+", re.I)


def _is_no_path(said: str, heard: str, connection: Connection) -> bool:
    """Whether it is the address that is wrong, rather than the model's name."""
    return (
        not said
        or _is_page(said)
        or bool(_NO_PATH.fullmatch(said.strip()))
        or (not _has_version(connection) and "model" not in heard)
    )


def _pause_asked_for(error: BaseException) -> float | None:
    headers = getattr(getattr(error, "response", None), "headers", None) or {}
    return asked_pause({name.lower(): value for name, value in headers.items()})


def _sent_elsewhere(error: BaseException, connection: Connection) -> _Verdict:
    """A redirect that was not followed: it would turn the POST into a GET, or carry the prompt to somebody else."""
    host, where = host_of(connection.base_url), ""
    with contextlib.suppress(ValueError):  # it may be no address at all
        where = _location(getattr(error, "response", None))
        if where and host_of(where) != host:
            what = f"{host} sends this request elsewhere, to {_short(where)}."
            return errors.RequestRefused, what, "If you trust that host, set base_url to it."
    what = f"{host} sends this request elsewhere" + (f", to {_short(where)}" if where else "")
    return errors.RequestRefused, f"{what}.", "Set base_url to where the server is."


def _location(response: Any) -> str:
    """Where a redirect leads, without the query and the user's part, which may hold secrets."""
    if response is None or not (location := response.headers.get("location", "")):
        return ""
    parts = urllib.parse.urlsplit(urllib.parse.urljoin(str(response.url), location))
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}" if parts.netloc else ""


def _no_answer(error: BadPayload, connection: Connection) -> _Verdict:
    host = host_of(connection.base_url)
    if error.kind == "a web page":
        title = f" titled {error.detail!r}" if error.detail else ""
        return errors.ProtocolBroken, f"{host} sent a web page{title} instead of an answer.", _path_hint(connection)
    detail = f": {_short(error.detail)}" if error.detail else ""
    if error.kind == "an empty answer":
        return errors.EmptyAnswer, f"{host} sent {error.kind}{detail}.", "Try again, or choose another model."
    next_move = "Is base_url right, and does the server speak Chat Completions?"
    if error.kind.startswith("an answer that ends"):
        next_move = "Try again; the request may have been charged."
    return errors.ProtocolBroken, f"{host} sent {error.kind}{detail}.", next_move


def _path_hint(connection: Connection) -> str:
    if _has_version(connection):
        return "Is base_url right? A proxy or a login page may be in between."
    return f"Is base_url right? Try {connection.base_url.rstrip('/')}/v1"


def _has_version(connection: Connection) -> bool:
    return bool(re.search(r"/v\d\w*(/|$)", connection.base_url.rstrip("/")))


def _timed_out(error: BaseException, connection: Connection) -> _Verdict:
    host = host_of(connection.base_url)
    if trouble(error) == "slow to connect":
        advice = "Is the address right, the network up?"
        if connection.base_url.startswith("https://"):
            advice = "Is the address right, the network up? A server without TLS wants http:// in base_url."
        return errors.TimedOut, f"{host} did not accept a connection in time.", advice
    clock = _clock(error)
    if clock is not None and clock.clock == "total":
        what = f"{host} did not finish within {clock.seconds:g} s."
        return errors.TimedOut, what, "Allow more with %llm_config timeout_total=SECONDS."
    what = f"{host} said nothing for {clock.seconds if clock else connection.timeout:g} s."
    return errors.TimedOut, what, "Allow more with %llm_config timeout=SECONDS, or try a smaller prompt."


def _unreached(error: BaseException, connection: Connection) -> _Verdict:
    host, kind = host_of(connection.base_url), trouble(error)
    proxy = _proxy_to(connection) if kind in ("nobody", "no such host") else None
    if proxy:
        what = f"No connection through the proxy {proxy}, which stands before {host}."
        return errors.ConnectionFailed, what, "Check the proxy's variables in the environment (HTTP_PROXY, NO_PROXY)."
    match kind:
        case "no such host":
            what, advice = f"The host name {host} was not found.", "Check base_url and the network."
        case "certificate":
            what = f"The certificate of {host} is not trusted."
            advice = "Set SSL_CERT_FILE to your organisation's certificates."
        case "no TLS":
            what, advice = f"{host} does not speak TLS.", "Write http:// instead of https:// in base_url."
        case "TLS":
            what, advice = f"No secure connection to {host}: {_why(error)}.", "Check base_url and the network."
        case "nobody":
            what, advice = f"Nothing listens at {host}.", "Check base_url and the network."
            if is_loopback(connection.base_url):
                advice = "Start the server there, or find others with %llm_config --models."
        case "not HTTP":
            what, advice = f"{host} is no HTTP server: {_why(error)}.", "Check the port in base_url."
            if "illegal request line" in str(_root(error)) and connection.base_url.startswith("http://"):
                advice = "Check the port in base_url; a server with TLS wants https:// there."
            return errors.ProtocolBroken, what, advice
        case "compression":
            what = f"{host} sent a body that is not compressed as it says: {_why(error)}."
            return errors.ProtocolBroken, what, "Try again; a proxy in between may have spoilt it."
        case _:
            what = f"The connection to {host} broke: {_why(error)}."
            advice = "Try again; the request may have been charged."
    return errors.ConnectionFailed, what, advice


def _proxy_to(connection: Connection) -> str | None:
    """The proxy that the environment puts before a host, without the password it may hold."""
    from urllib.request import getproxies, proxy_bypass

    parts = urllib.parse.urlsplit(connection.base_url)
    proxies = getproxies()
    proxy = (proxies.get(parts.scheme) or proxies.get("all") or "").strip()
    if not proxy or is_loopback(connection.base_url) or proxy_bypass(parts.hostname or ""):
        return None
    return re.sub(r"^(\w+://)?.*@", r"\1", proxy, flags=re.S)


def _clock(error: BaseException) -> ClockRanOut | None:
    """The clock that ran out, where one did."""
    return next((cause for cause in causes(error) if isinstance(cause, ClockRanOut)), None)


def _patience(error: BaseException) -> str:
    """What to do where an answer was cut off because a clock ran out."""
    clock = _clock(error)
    name = {"silence": "timeout_silence", "total": "timeout_total"}.get(clock.clock) if clock else None
    return f" Allow more with %llm_config {name}=SECONDS." if name else ""


def _why(error: BaseException) -> str:
    """What ended an answer, in words that follow a colon."""
    if isinstance(error, wire.ServerError):
        return f"the server reported an error, {_short(error.message)}"
    if isinstance(error, BadPayload):
        return f"the server sent {error.kind}" + (f": {_short(error.detail)}" if error.detail else "")
    if (clock := _clock(error)) is not None and clock.clock == "total":
        return "the time for all of it was up"
    if "Timeout" in type(error).__name__:
        return "the server fell silent"
    root = _root(error)
    said = root.strerror if isinstance(root, OSError) and root.strerror else str(root)  # its number says nothing
    return _short(said).rstrip(".") or type(root).__name__


def _root(error: BaseException) -> BaseException:
    *_, root = causes(error)
    return root


def said_by(error: BaseException) -> str:
    """What the server said in an error response, from wherever it put it."""
    response = getattr(error, "response", None)
    # The whole of it: of a body whose "error" is but a title, the SDK keeps that alone.
    return message_in(response_text(response) if response is not None else getattr(error, "body", None))


def _is_page(said: str) -> bool:
    return said.lstrip().startswith("<")


def _short(said: str) -> str:
    return short_line((_words_of(said[:LOOKED_INTO]) or said) if _is_page(said) else said, SAID)


def _words_of(page: str) -> str:
    """What a web page says, without its tags and what no browser shows; its title where it says nothing else."""
    words: dict[str, list[str]] = {"": [], "title": [], "script": [], "style": []}
    inside = ""
    for piece in page.split("<"):
        tag, _, text = piece.partition(">")
        name = (tag.split() or [""])[0].lower()
        inside = name if name in words else "" if name == f"/{inside}" else inside
        words[inside].append(text)
    return html.unescape(" ".join(" ".join(words[""]).split() or words["title"]))
