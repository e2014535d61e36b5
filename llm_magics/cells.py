"""What a prompt cell does: its line becomes an `Ask`, the session answers it, one function decides what is left."""

from __future__ import annotations

import json
import keyword
import re
import sys
from typing import Any

from llm_magics import live, session
from llm_magics.config import REQUEST, parse_value, unknown_setting
from llm_magics.errors import CallFailed, ConfigError, PromptError, UserMistake
from llm_magics.events import Answer, Ask
from llm_magics.lines import LineMistake, check_typing, parse, secret_on_the_line
from llm_magics.renderers.markdown import code_in, json_in
from llm_magics.safe_markdown import fenced
from llm_magics.secrets import looks_like_key_name


def read_ask(parser: Any, line: str, cell: str | None) -> tuple[Ask, bool]:
    """The prompt and its options, and whether it is only to be shown.

    Raises:
        UsageError: the line cannot be read, or there is no prompt.
    """
    try:
        silent = line.rstrip().endswith(";") or (cell is not None and cell.rstrip().endswith(";"))
        line = line.rstrip().removesuffix(";") if line.rstrip().endswith(";") else line
        options, rest = parse(parser, line, rest=True)
        if cell is not None and rest:
            check_typing(line)
            raise LineMistake(_stray(rest))
        prompt = cell if cell is not None else rest
        prompt = prompt.rstrip().removesuffix(";") if silent and prompt.rstrip().endswith(";") else prompt
        ask = Ask(
            prompt=prompt.removesuffix("\n"),
            model=options.model,
            system=options.system,
            params=_params(options),
            to=_target(options.to),
            output=options.output or "markdown",
            stream=False if options.no_stream else None,
            raw=options.raw,
            silent=silent,
        )
        if not ask.prompt.strip():
            raise PromptError("the prompt is empty: nothing was sent. Write it below the %%llm line, or after %llm.")
        return ask, options.dry_run
    except UserMistake as error:
        raise usage_error(error) from None


def run(shell: Any, read: tuple[Ask, bool], *, alone: bool) -> Any:
    """Answer an ask, and leave behind what belongs there; ``alone`` says that the output area is this prompt's.

    Raises:
        UsageError: it cannot be sent as it is.
        CallFailed: the call failed.
        Interrupted: someone stopped it.
    """
    ask, dry = read
    here = session.current()
    before = here.last
    alone = alone or _is_whole_cell(shell)
    try:
        if dry:
            return show_request(shell, here, ask)
        answer = here.ask(ask, shell.user_ns, lambda who: _painter(shell, ask, who, alone))
    except UserMistake as error:
        raise usage_error(error) from None
    except CallFailed as failure:
        _bind(shell, here.last if here.last is not before else None, ask)
        raise failure from failure.__cause__
    except KeyboardInterrupt:
        if here.last is before:
            raise Interrupted("stopped before anything was sent") from None
        _bind(shell, here.last, ask)
        raise Interrupted("stopped; what had arrived is in _llm") from None
    return deliver(shell, answer, ask, alone)


def deliver(shell: Any, answer: Answer, ask: Ask, alone: bool) -> Any:
    """What a finished prompt leaves: ``_llm``, the variable of ``--to``, code for the next cell, and the cell's value.

    On a page the value is returned, and its display is the answer's one lasting rendering. In a terminal the text is
    there already: then ``_`` and ``Out[n]`` are set, and nothing is printed twice. A silent cell has no value at all.
    """
    _bind(shell, answer, ask)
    if ask.output == "code" and (code := code_in(answer.text)):
        shell.set_next_input(code, replace=False)
    if ask.silent:
        return None
    if not is_page(shell) and alone:
        shell.displayhook.update_user_ns(answer.message)
        return None
    return answer.message


class Interrupted(KeyboardInterrupt):
    """The kernel was interrupted while an answer streamed; shown as one line."""

    def _render_traceback_(self) -> list[str]:
        return [f"KeyboardInterrupt: {self}"]


def show_request(shell: Any, here: session.Session, ask: Ask) -> None:
    """``--dry-run``: the request as it would go out, its key masked."""
    _, connection, body = here.prepare(ask, shell.user_ns)
    head = f"POST {connection.base_url.rstrip('/')}/chat/completions"
    headers = [f"{name}: ***" for name, _ in connection.headers]
    text = connection.api_key.redact(json.dumps(body, indent=2, ensure_ascii=False, default=str))
    request = "\n".join([head, "Authorization: Bearer ***", *headers, "", text])
    live.show({"text/plain": request, "text/markdown": fenced(request, "http")}, page=is_page(shell))


def usage_error(mistake: UserMistake) -> Exception:
    """A user's mistake as IPython shows one: a line, no traceback."""
    from IPython.core.error import UsageError

    return UsageError(str(mistake))


def is_page(shell: Any) -> bool:
    """Whether outputs go to a front end that renders them, rather than to a terminal."""
    return getattr(shell, "kernel", None) is not None


def _painter(shell: Any, ask: Ask, who: str, alone: bool) -> live.Painter:
    if ask.silent or not alone:
        return live.Silent()
    if not is_page(shell):
        return live.Terminal(who)
    return live.Page(who)


def _is_whole_cell(shell: Any) -> bool:
    """Whether the cell is one ``%llm`` line: then, as with ``%%llm``, the output area belongs to the prompt."""
    history = getattr(shell.history_manager, "input_hist_raw", None) or [""]
    return bool(re.fullmatch(r"\s*%?llm\b[^\n]*\s*", history[-1]))


def _bind(shell: Any, answer: Answer | None, ask: Ask) -> None:
    if answer is None:
        return
    shell.user_ns["_llm"] = answer
    shell.user_ns_hidden["_llm"] = answer
    if ask.to:
        shell.user_ns[ask.to] = _value(answer, ask)


def _value(answer: Answer, ask: Ask) -> Any:
    """What ``--to`` binds: the text; with ``--as code`` the code, with ``--as json`` the value, where there is one."""
    if ask.output == "code":
        return code_in(answer.text) or answer.text
    if ask.output == "json":
        try:
            return json.loads(json_in(answer.text))
        except ValueError:
            print("The answer is not valid JSON; its text was bound instead.", file=sys.stderr)  # noqa: T201
    return answer.text


def _params(options: Any) -> dict[str, Any]:
    params: dict[str, Any] = {}
    for given in options.param or []:
        key, equals, value = given.partition("=")
        if not equals:
            raise LineMistake(f"--param {key} needs a value: --param {key}=VALUE.")
        if looks_like_key_name(key):
            raise secret_on_the_line(key)
        if key not in REQUEST | {"timeout"}:
            raise unknown_setting(key, REQUEST, where="--param: ")
        params[key] = parse_value(key, value)
    for key, given in (("temperature", options.temperature), ("max_tokens", options.max_tokens)):
        if given is not None:
            params[key] = parse_value(key, given)
    return params


def _target(name: str | None) -> str | None:
    if name is None:
        return None
    if not name.isidentifier() or keyword.iskeyword(name):
        reason = "is a keyword of Python" if keyword.iskeyword(name) else "is not a variable name"
        raise LineMistake(f"--to {name}: {name!r} {reason}.")
    return name


def _stray(rest: str) -> str:
    word = rest.split()[0]
    try:
        known = session.current().configuration.config.model_names()
    except ConfigError:
        known = []
    if word.split("/")[0] in known:
        return f"unexpected word {word!r}: to ask that model, write -m {word}. The prompt goes below the line."
    return f"unexpected word {word!r}: the prompt goes below the %%llm line, and a model behind -m."
