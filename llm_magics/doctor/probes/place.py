"""What stands at an address: an API or something else, whether it takes the key, whether it knows the model."""

from __future__ import annotations

import re
import urllib.parse
from collections.abc import Mapping

from llm_magics.config import host_of, is_loopback
from llm_magics.doctor.checkup import Checkup, Row, counted
from llm_magics.doctor.reach import Asked, Page, heard
from llm_magics.doctor.remedies import OWN_PATHS, base_of, elsewhere, remedy, server_of
from llm_magics.endpoints.providers import ids_in, providers
from llm_magics.errors import CallFailed, ConnectionFailed, KeyRefused, ModelNotFound, ProtocolBroken, TimedOut, nearest
from llm_magics.remarks import other_model
from llm_magics.secrets import NO_KEY


async def api(c: Checkup) -> Row:
    page, models = await c.listing(), await c.models()
    c.server = server_of(c.base_url, page.headers, page.json) or await _by_own_paths(c)
    who = f"{c.server}, " if c.server else ""
    if models is not None:
        return c.fine(f"{who}lists {counted(len(models), 'model')}")
    if page.status in (401, 403) and not page.is_web_page:
        return c.fine(f"{who}asks for a key")
    if c.patient.lacks_key:
        return Row("", "–", "not tried without a key")
    asked = await c.plain()  # a list of models is no duty: what counts is whether it answers
    if asked.error is None:
        return c.fine(f"{who}has no list of models")
    failure = c.failure(asked)
    if _is_elsewhere(c, asked, failure):
        return await _no_api(c, page, asked, failure)
    if isinstance(failure, TimedOut) and page.error is not None:
        return c.wrong(failure.what, c.slow_todo(), stop="it does not answer")
    return c.fine(f"{who}has no list of models")


async def _by_own_paths(c: Checkup) -> str:
    """Which local server it is, by a path that only that one has; elsewhere nobody looks for such paths."""
    if not is_loopback(c.base_url) or (await c.listing()).error is not None:
        return ""
    parts = urllib.parse.urlsplit(c.base_url)
    for name, path, mark in OWN_PATHS:
        page = await c.get(f"{parts.scheme}://{parts.netloc}{path}")
        if page.status == 200 and isinstance(page.json, Mapping) and mark in page.json:
            return name
    return ""


_NOT_AN_API = (301, 302, 303, 307, 308, 405, 407)
_WANTS_TLS = re.compile(r"sent to HTTPS port|HTTP request to an HTTPS|speaking plain HTTP to an SSL", re.I)


def _is_elsewhere(c: Checkup, asked: Asked, failure: CallFailed) -> bool:
    """Whether what answered is not the API at all."""
    status = failure.status
    if status is None:
        return isinstance(failure, ProtocolBroken | ConnectionFailed)
    said = heard(asked)
    gateway = status in (502, 503, 504) and "<" in said
    wrong_path = status == 404 and not _names_model(c, asked)
    return status in _NOT_AN_API or gateway or wrong_path or _WANTS_TLS.search(said) is not None


def _names_model(c: Checkup, asked: Asked) -> bool:
    said = heard(asked).lower()
    return "<html" not in said and (c.patient.model.lower() in said or bool(re.search(r"\bmodel|deployment", said)))


async def _no_api(c: Checkup, page: Page, asked: Asked, failure: CallFailed) -> Row:
    stop = "there is no API at this address"
    for response in (getattr(asked.error, "response", None), page):
        if response is not None and (location := response.headers.get("location")):
            there = base_of(location, c.base_url)
            what = f"requests are sent elsewhere, to {there}"
            return c.wrong(what, f"If that is where the server is, set base_url={there}", stop=stop)
    for url in elsewhere(c.base_url):
        found = await c.get(f"{url}/models")
        if ids_in(found.json) is not None or (found.status in (401, 403) and isinstance(found.json, Mapping)):
            return c.wrong(failure.what, f"Set base_url={url} : there is an API.", stop=stop)
    if theirs := next((p.base_url for p in providers() if host_of(p.base_url) == c.host), ""):
        todo = f"Set base_url={theirs}"
    elif _WANTS_TLS.search(heard(asked)):
        todo = f"Set base_url={c.base_url.replace('http://', 'https://', 1)}"
    elif c.place.proxy:
        todo = f"The proxy that {c.place.proxy} names may have answered: except {c.host} with NO_PROXY."
    elif failure.status in (502, 503, 504):
        todo = "A gateway answered for a server that it does not reach: is that one running?"
    elif page.is_web_page or "web page" in failure.what:
        todo = "A login page, or base_url is wrong: open the address in a browser."
    elif failure.status in (404, 405):
        todo = "Check base_url: another server stands there, or its API is at another path."
    else:
        todo = failure.next_move
    return c.wrong(failure.what, todo, stop=stop)


async def key(c: Checkup) -> Row:
    stop = "the key is not accepted"
    if c.patient.lacks_key:
        whence = next((p.keys_url for p in providers() if host_of(p.base_url) == c.host), "")
        todo = f"Type it: %llm_config --ask-key {c.patient.name}" + (f" (keys: {whence})" if whence else "")
        return c.wrong(c.patient.key, todo, stop="there is no key")
    asked = await c.plain()
    failure = c.failure(asked) if asked.error is not None else None
    if isinstance(failure, KeyRefused):
        if c.connection.api_key.reveal() == NO_KEY and failure.status != 403:
            todo = f"Type one: %llm_config --ask-key {c.patient.name}"
            return c.wrong(failure.what, todo, stop="it wants a key")
        todo = failure.next_move if failure.status == 403 else "Copy the key again, or make a new one."
        return c.wrong(f"{failure.what.rstrip('.')}. The key: {c.patient.key}", todo, stop=stop)
    if failure is not None and failure.status is None:
        return Row("", "–", "no answer came")
    return c.fine(c.patient.key if c.connection.api_key.reveal() != NO_KEY else "none is needed")


async def model(c: Checkup) -> Row:
    asked, models, wanted = await c.plain(), await c.models(), c.patient.model
    if asked.error is not None and (c.failure(asked).status in (400, 404, 422)) and _is_unknown(c, asked):
        known = nearest(wanted, models or ())
        listed = f"It has: {', '.join((models or [])[:5])}." if models else "See what it has with %llm_config --models."
        base = c.patient.name.removesuffix(f"/{wanted}")
        todo = f"Did you mean {known}? %llm_config {base}/{known}" if known else ""
        todo = todo or remedy("model", c.server, model=wanted) or listed
        return c.wrong(c.failure(asked).what, todo, stop="the model is not known")
    if asked.error is not None:
        return c.fine(f"{wanted} is listed") if wanted in (models or ()) else Row("", "–", "no answer came")
    runs = asked.outcome.reply.model
    if other_model(wanted, runs):
        return c.fine(f"asked {wanted}, got {runs}")
    other = f", answered by {runs}" if runs and runs != wanted else ""
    return c.fine(f"{wanted}{other}" + (", not in its list" if models and wanted not in models and not other else ""))


_UNKNOWN_MODEL = re.compile(r"model[^.]{0,80}(?:not (?:exist|found)|n[o']t exist|unknown|not a valid)|unknown model")


def _is_unknown(c: Checkup, asked: Asked) -> bool:
    """Whether it is the model's name that was refused."""
    said = heard(asked).lower()
    if isinstance(c.failure(asked), ModelNotFound):
        return _names_model(c, asked)
    return bool(_UNKNOWN_MODEL.search(said))
