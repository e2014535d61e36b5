"""Runs inside the kernel: print whatever an error or an object gives away to someone who looks for it."""

from __future__ import annotations

import copy
import dataclasses
import io
import json
import logging
import pickle
import pprint
import sys
import traceback
from collections.abc import Iterator, Mapping
from types import FrameType, TracebackType
from typing import Any

# Whose frames and objects are looked into; the person's own variables are theirs.
_OURS = ("llm_magics",)
_said: set[int] = set()
_HTTP = ("openai", "httpx", "httpx2", "httpcore", "httpcore2", "h11", "anyio", "asyncio")


def error(value: BaseException | None) -> None:
    """Everything an exception and its causes show: text, fields, pickles, frames and their variables."""
    seen: set[int] = set()
    while value is not None and id(value) not in seen:
        seen.add(id(value))
        _say(repr(value), str(value), f"{value} {value!r:>10}", value.args, getattr(value, "__notes__", None))
        _fields(value)
        _pickled(value)
        for frame in _frames(value.__traceback__):
            for name, local in list(dict(frame.f_locals).items()):
                _say(frame.f_code.co_name, name, _repr(local))
                if _owner(local) in _OURS:
                    thing(local, depth=3)
        _say("".join(traceback.TracebackException.from_exception(value, capture_locals=False).format()))
        _logged(value)
        value = value.__cause__ or value.__context__


def thing(value: Any, depth: int = 6) -> None:
    """Everything an object shows: reprs, copies, pickles, JSON, and the same of what it holds, if that is ours."""
    _walk(value, depth, set())


def outside(value: Any) -> None:
    """What an object of somebody else's shows by itself."""
    _say(_repr(value), f"{value}", pprint.pformat(value), json.dumps({"value": value}, default=str))
    _pickled(value)


def _walk(value: Any, depth: int, seen: set[int]) -> None:
    if depth < 0 or id(value) in seen:
        return
    seen.add(id(value))
    _say(_repr(value), f"{value}", "%s %r" % (value, value), pprint.pformat(value))  # noqa: UP031
    _pickled(value)
    _say(json.dumps({"value": value}, default=str, skipkeys=True))
    for write in (
        (copy.copy, vars, dataclasses.asdict, lambda value: value.__getstate__()) if _owner(value) in _OURS else ()
    ):
        try:
            _say(write(value))
        except Exception as reason:
            _say(repr(reason))
    if isinstance(value, Mapping):
        inner = [*value.keys(), *value.values()]
    elif isinstance(value, list | tuple | set):
        inner = list(value)
    elif _owner(value) in _OURS:
        inner = [getattr(value, name, None) for name in dir(value) if not name.startswith(("__", "_Secret"))]
        inner = [found for found in inner if not callable(found)]
    else:
        return
    for found in inner:
        _walk(found, depth - 1, seen)


def _fields(value: BaseException) -> None:
    for name, field in list(vars(value).items()):
        _say(name, _repr(field))
    response = getattr(value, "response", None)
    for holder in (value, response):
        try:
            request = holder.request  # type: ignore[union-attr]
            _say(_repr(request), request.url, request.headers.raw, vars(request))
            _pickled(request)
        except (AttributeError, RuntimeError) as reason:  # it has none
            _say(repr(reason))
    if response is not None:
        _say(response.headers.raw, response.content, response.text, vars(response))
        _pickled(response)


def _frames(tb: TracebackType | None) -> Iterator[FrameType]:
    while tb is not None:
        if str(tb.tb_frame.f_globals.get("__name__")).partition(".")[0] in (*_OURS, *_HTTP):
            yield tb.tb_frame
        tb = tb.tb_next


def _logged(value: BaseException) -> None:
    said = io.StringIO()
    handler = logging.StreamHandler(said)
    log = logging.getLogger("canary.squeeze")
    log.addHandler(handler)
    try:
        log.error("it failed: %s", value, exc_info=value)
    finally:
        log.removeHandler(handler)
    _say(said.getvalue())


def _pickled(value: Any) -> None:
    try:
        _say(pickle.dumps(value))
    except Exception as reason:
        _say(repr(reason))


def _repr(value: Any) -> str:
    try:
        return repr(value)
    except Exception as reason:
        return repr(reason)


def _owner(value: Any) -> str:
    return str(type(value).__module__).partition(".")[0]


def _say(*parts: Any) -> None:
    for part in parts:
        said = part if isinstance(part, str) else _repr(part)
        if hash(said) not in _said:  # a leak is found the first time
            _said.add(hash(said))
            sys.stdout.write(said + "\n")
