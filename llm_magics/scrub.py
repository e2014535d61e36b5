"""Errors without keys: what an exception, its request, its response, its causes and their frames hold of them."""

from __future__ import annotations

import contextlib
import functools
import sys
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

from llm_magics.secrets import redactor_of, written_in

if TYPE_CHECKING:
    from llm_magics.redaction import Redactor

P = ParamSpec("P")
R = TypeVar("R")
E = TypeVar("E", bound=BaseException)
M = TypeVar("M")

# Whose frames are emptied: their variables hold the key on its way to the server. A caller's own stay as they are.
_EMPTIED = {"anyio", "asyncio", "contextlib", "h11", "httpcore", "httpcore2", "httpx", "httpx2", "llm_magics", "openai"}
MOST = 100_000  # characters of a text in an error that are kept: whoever sends more has nothing to say
DEEPEST = 50  # containers in one another, likewise
_BODY_HEADERS = (b"content-encoding", b"content-length", b"transfer-encoding")


def without_variables(function: Callable[P, R]) -> Callable[P, R]:
    """Make a public function's errors carry frames without variables.

    ``%xmode Verbose``, ``%debug`` and other people's error reports show a frame's variables. The frames themselves
    stay, with their lines. The caller's frames are the caller's; of the keys among the arguments IPython shows nothing
    in them either.
    """

    @functools.wraps(function)
    def called(*args: P.args, **kwargs: P.kwargs) -> R:
        handled = sys.exc_info()[1]  # of the caller: none of our business
        try:
            return function(*args, **kwargs)
        except BaseException as error:
            if not hasattr(error, "_render_traceback_"):
                _hide(error, [*args, *kwargs.values()])
            args, kwargs = (), {}  # type: ignore[assignment] # the one frame that cannot be emptied: it runs
            empty_frames(error, until=handled)
            raise

    return called


def _hide(error: BaseException, arguments: list[Any]) -> None:
    """Have IPython show an error as ever, but for the keys that stand in these arguments."""
    written = [getattr(argument, "config", argument) for argument in arguments]
    if keys := redactor_of(written_in(written)):
        with contextlib.suppress(AttributeError, TypeError):  # somebody's class that takes no more attributes
            error._render_traceback_ = _Shown(keys)  # type: ignore[attr-defined]


class _Shown:
    """IPython's hook on an error: what it would show of it, in the mode that is set, without some keys."""

    def __init__(self, keys: Redactor | None = None) -> None:
        self._keys = keys or redactor_of(())

    def __reduce__(self) -> tuple[type[_Shown], tuple[()]]:
        """An error goes to other processes as ever, its traceback does not."""
        return _Shown, ()

    def __call__(self) -> list[str]:
        # Not held here: an error that holds itself would keep its frames, and all in them, alive.
        error = getattr(sys, "last_value", None)
        shell = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
        if error is None or shell is None or getattr(error, "_render_traceback_", None) is not self:
            return ["(a traceback that may hold a key is not shown here)"]
        lines = shell.InteractiveTB.structured_traceback(type(error), error, error.__traceback__)
        return [self._keys.text(line) for line in lines]


def empty_frames(error: BaseException, *, until: BaseException | None = None) -> None:
    """Take the variables out of the frames of an error and of those it came from, but for the caller's.

    An error that is not to be shown (``from None``) is let go: a parser's holds all of the file it could not read.
    """
    for link in _chain(error, until):
        _empty(link.__traceback__)
        if link.__suppress_context__ and link.__context__ is not until:
            link.__context__ = None


def scrubbed(error: E, redactor: Redactor) -> E:
    """The same error, with the keys taken out of it and of the errors it came from.

    That is texts and arguments, the request's headers, and the response, which servers fill with what they were sent.
    """
    for link in _chain(error):
        _clean(link, redactor)
        _empty(link.__traceback__)
    return error


def message_without(message: M, redactor: Redactor) -> M:
    """An assistant message without the keys; the same object when it holds none."""
    if not redactor:
        return message
    sdks: Any = message
    fields = sdks.model_dump(exclude_unset=True, warnings=False)
    clean = redactor.value(fields)
    found: M = message if clean == fields else sdks.construct(**clean)
    return found


def _chain(error: BaseException, until: BaseException | None = None) -> Iterator[BaseException]:
    seen: set[int] = set()
    links: list[BaseException | None] = [error]
    while links:
        link = links.pop()
        if link is None or link is until or id(link) in seen:
            continue
        seen.add(id(link))
        links += [link.__cause__, link.__context__]
        yield link
        if isinstance(link, BaseExceptionGroup):
            links += link.exceptions


def _empty(traceback: TracebackType | None) -> None:
    while traceback is not None:
        frame = traceback.tb_frame
        if str(frame.f_globals.get("__name__")).partition(".")[0] in _EMPTIED:
            with contextlib.suppress(RuntimeError):  # it runs still, so it is not where the key went
                frame.clear()
        traceback = traceback.tb_next


def _clean(error: BaseException, redactor: Redactor) -> None:
    error.args = redactor.value(tuple(map(_cut, error.args)))
    for name, field in list(vars(error).items()):
        if name in ("request", "_request"):
            _clean_headers(field, redactor)
        elif name == "response":
            error.response = _clean_response(field, redactor)  # type: ignore[attr-defined]
        elif isinstance(field, str | bytes | dict | list | tuple):
            setattr(error, name, redactor.value(_cut(field)))
    if isinstance(error, UnicodeDecodeError):
        error.object = redactor.value(_cut(error.object))


def _cut(value: Any, depth: int = DEEPEST) -> Any:
    """Containers and texts, no text of them longer than `MOST`, nothing deeper than that."""
    if isinstance(value, str | bytes):
        return value[:MOST] if len(value) > MOST else value
    if not isinstance(value, dict | list | tuple):
        return value
    if depth == 0:
        return "…"
    if isinstance(value, dict):
        return {_cut(key): _cut(inner, depth - 1) for key, inner in value.items()}
    return [_cut(inner, depth - 1) for inner in value] if isinstance(value, list) else value


def _clean_headers(message: Any, redactor: Redactor) -> None:
    """Of a request or a response of the HTTP library, whichever that is."""
    headers = getattr(message, "headers", None)
    if headers is None:
        return
    for name, value in list(headers.items()):
        if (clean := redactor.text(value)) != value:
            headers[name] = clean


def _clean_response(response: Any, redactor: Redactor) -> Any:
    """A response as it was received, but for the keys; its connection is over."""
    if not hasattr(response, "status_code"):
        return response
    _clean_headers(response, redactor)
    # As bytes: a server's header may hold what no text of ours could be written as.
    headers = [(name, value) for name, value in response.headers.raw if name.lower() not in _BODY_HEADERS]
    try:
        content = response.content
    except RuntimeError:  # it was not read
        content = b""
    request = getattr(response, "_request", None)
    return type(response)(response.status_code, headers=headers, content=redactor.value(_cut(content)), request=request)
