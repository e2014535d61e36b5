"""What a prompt cell does: its line becomes an `Ask`, the session answers it, one function decides what is left."""

from __future__ import annotations

import builtins
import json
import keyword
import re
import sys
import threading
import unicodedata
from collections.abc import Iterator, Sequence
from typing import Any

from llm_magics import boards, live, session
from llm_magics.comparisons.comparison import Comparison
from llm_magics.config import REQUEST, TIMEOUTS, parse_value, unknown_setting
from llm_magics.errors import CallFailed, ConfigError, PromptError, UserMistake, cut, short
from llm_magics.events import Answer, Ask
from llm_magics.interrupts import Hold, Interrupted
from llm_magics.lanes import Lane, Prepared
from llm_magics.lines import LineMistake, check_typing, parse, secret_on_the_line, twice, without_keys
from llm_magics.printable import clean
from llm_magics.project_trust import Untrusted
from llm_magics.renderers.markdown import code_in, json_in
from llm_magics.safe.markdown import fenced
from llm_magics.scrub import empty_frames, without_variables
from llm_magics.secrets import looks_like_key_name
from llm_magics.terminal import Terminal


def read_ask(parser: Any, line: str, cell: str | None) -> tuple[Ask, bool]:
    """The prompt and its options, and whether it is only to be shown.

    Raises:
        UsageError: the line cannot be read, or there is no prompt.
    """
    try:
        silent = line.rstrip().endswith(";") or (cell is not None and cell.rstrip().endswith(";"))
        line = line.rstrip().removesuffix(";") if line.rstrip().endswith(";") else line
        name = "%llm " if cell is None else "%%llm "
        options, rest = parse(parser, name + line, len(name), rest=True, several=cell is not None)
        if cell is not None and rest:
            check_typing(line, name + line, len(name))
            raise _stray(rest, options.system)
        prompt = cell.replace("\r\n", "\n") if cell is not None else rest
        if re.match(r"\s*%%llm\b", prompt):
            raise LineMistake("the cell begins with %%llm twice: write it once, and the prompt on the lines below.")
        prompt = prompt.rstrip().removesuffix(";") if silent and prompt.rstrip().endswith(";") else prompt
        judge, criteria = options.judge or ("", "")
        if options.judge and not judge.strip():
            raise LineMistake("--judge needs a model: --judge MODEL CRITERIA.")
        ask = Ask(
            prompt=prompt.removesuffix("\n"),
            models=_models(options.model),
            repeats=_repeats(options.repeat),
            blind=options.blind,
            judge=judge,
            criteria=criteria,
            system=options.system,
            params=_params(options),
            to=_target(options.to),
            output=options.output or "markdown",
            stream=False if options.no_stream else None,
            raw=options.raw,
            silent=silent,
            allow_secret=options.allow_secret,
            tools=_tools(options.tools, in_cell=cell is not None),
        )
        _check_comparison(ask)
        if not ask.prompt.strip():
            raise PromptError("the prompt is empty: nothing was sent. Write it below the %%llm line, or after %llm.")
        return ask, options.dry_run
    except UserMistake as error:
        raise usage_error(error) from None


@without_variables
def run(shell: Any, read: tuple[Ask, bool], *, alone: bool) -> Any:
    """Answer an ask, and leave behind what belongs there; ``alone`` says that the output area is this prompt's.

    Raises:
        UsageError: it cannot be sent as it is.
        CallFailed: the call failed.
        Interrupted: someone stopped it.
    """
    ask, dry = read
    here = session.current()
    whole = _is_whole_cell(shell)
    dropped = _is_dropped(shell)
    alone = (alone or whole) and _is_in_a_cell(shell) and not dropped
    hidden = ask.silent or not (alone or dropped)
    kept: list[Answer | Comparison] = []
    hold = Hold()
    try:
        if dry:
            with hold.opened():
                return show_request(shell, here, ask)
        if ask.compares:
            here.compare(ask, shell.user_ns, lambda lanes: _board(shell, here, ask, lanes, alone, hidden), kept.append)
        else:
            here.ask(ask, shell.user_ns, lambda who: _painter(shell, who, alone, hidden), kept.append)
        return deliver(shell, kept[-1], ask, alone)
    except Untrusted as found:
        with hold.opened():
            allowed = _allowed(found)
        if not allowed:
            raise usage_error(found) from None
        here.configuration.trust.accept(found.fingerprint, found.path)
        return run(shell, read, alone=alone)
    except UserMistake as error:
        raise usage_error(error) from None
    except ImportError as error:
        if not (error.name or "").startswith("openai"):
            raise
        raise usage_error(_without_sdk()) from None
    except CallFailed as failure:
        _bind(shell, kept, ask)
        raise failure from failure.__cause__
    except KeyboardInterrupt:
        _bind(shell, kept, ask)
        raise Interrupted(_stopped(kept)) from None
    finally:
        if whole:
            hold.release_when_shown(shell)
        elif hold.release():  # whatever the prompt came to: there is code behind it, which is to stop
            raise Interrupted(_stopped(kept)) from None


def _stopped(kept: list[Answer | Comparison]) -> str:
    if not kept:
        return "stopped before anything was sent"
    if isinstance(kept[-1], Comparison):
        return "stopped; what had arrived is in _llm"
    if kept[-1].status == "failed":
        return "stopped; the call had failed"
    if kept[-1].status in ("interrupted", "cut off"):
        nothing = session.current().answers.view(kept[-1]).empty
        return "stopped before an answer came" if nothing else "stopped; what had arrived is in _llm"
    return "stopped; the answer had ended, and is in _llm"


def deliver(shell: Any, left: Answer | Comparison, ask: Ask, alone: bool) -> Any:
    """What a finished prompt leaves: ``_llm``, the variable of ``--to``, code for the next cell, and the cell's value.

    On a page the value, a message or a comparison, is returned, and its display is the one lasting rendering. In a
    terminal the text is there already, and of a blind comparison on a page too, where a vote will change it: then ``_``
    and ``Out[n]`` are set, and nothing is shown twice. A silent cell has no value at all.
    """
    _bind(shell, [left], ask)
    if isinstance(left, Answer) and ask.output == "code" and (code := code_in(left.text)):
        shell.set_next_input(code, replace=False)
    if ask.silent:
        return None
    value = left.message if isinstance(left, Answer) else left
    if alone and (not live.is_page(shell) or ask.blind):
        shell.displayhook.update_user_ns(value)
        return None
    return value


def _allowed(found: Untrusted) -> bool:
    """Ask the person at the keyboard, if there is one, whether a project's file is to be followed."""
    try:
        return input(f"{found.says} Let it? [y/N] ").strip().lower() in ("y", "yes")
    except (EOFError, OSError, NotImplementedError):  # ipykernel's StdinNotImplementedError is one of the last
        return False


def show_request(shell: Any, here: session.Session, ask: Ask) -> None:
    """``--dry-run``: the request as it would go out, its key masked."""
    requests = [_request(prepared) for prepared in here.preparing.all(ask, shell.user_ns)]
    page = "\n\n".join(fenced(request, "http") for request in requests)
    live.show({"text/plain": "\n\n".join(requests), "text/markdown": page}, page=live.is_page(shell))


def _request(prepared: Prepared) -> str:
    connection, body = prepared.connection, prepared.body
    head = f"POST {connection.base_url.rstrip('/')}/chat/completions"
    headers = [f"{name}: ***" for name, _ in connection.headers]
    text = connection.redactor.text(json.dumps(body, indent=2, ensure_ascii=False, default=str))
    return "\n".join([head, "Authorization: Bearer ***", *headers, "", text])


def _without_sdk() -> ConfigError:
    """The mistake of an environment that lacks the SDK, or has one from before its clients."""
    found = getattr(sys.modules.get("openai"), "__version__", None)
    state = f"openai {cut(str(found))} is not one that llm_magics knows" if found else "the package openai is not here"
    return ConfigError(f'{state}: %pip install "openai>=1.109,<4", and restart the kernel. Nothing was sent.')


def usage_error(mistake: UserMistake) -> Exception:
    """A user's mistake as IPython shows one: a line, no traceback."""
    from IPython.core.error import UsageError

    empty_frames(mistake)
    return UsageError(str(mistake))


def _painter(shell: Any, who: str, alone: bool, hidden: bool) -> live.Painter:
    if hidden:
        return live.Silent()
    if not live.is_page(shell):
        return Terminal(who)
    return live.Page(who) if alone else live.Shared()


def _board(
    shell: Any, here: session.Session, ask: Ask, lanes: Sequence[Lane], alone: bool, hidden: bool
) -> boards.Board:
    if hidden:
        return boards.Silent()
    if not live.is_page(shell):
        return boards.Stack(lanes, blind=ask.blind)
    return boards.Page(lanes, blind=ask.blind, vote=here.contests.vote_on) if alone else boards.Shared()


def _is_dropped(shell: Any) -> bool:
    """Whether who asks throws the value away, as ``%llm`` in a loop does: then nobody else shows it.

    What a button's callback returns, with no cell to show it, is thrown away as well.
    """
    frame = sys._getframe()
    while frame.f_back and frame.f_code.co_name not in ("run_line_magic", "run_cell_magic"):
        frame = frame.f_back
    caller = frame.f_back
    if caller is None:
        return False
    import dis

    behind = next((step.opname for step in dis.get_instructions(caller.f_code) if step.offset > caller.f_lasti), "")
    called_back = not _is_in_a_cell(shell) and threading.current_thread() is threading.main_thread()
    return behind == "POP_TOP" or (called_back and behind == "RETURN_VALUE")


def _is_whole_cell(shell: Any) -> bool:
    """Whether the cell is one ``%llm`` line or ``%%llm``: then its output area and its end are the prompt's."""
    text = _running(shell)
    return text is not None and bool(re.fullmatch(r"(?s:\s*%%llm\b.*)|\s*%?llm\b[^\n]*\s*", text))


def _is_in_a_cell(shell: Any) -> bool:
    """Whether this runs as part of a cell, on its thread: what a callback or a worker displays lands elsewhere."""
    return _running(shell) is not None


def _running(shell: Any) -> str | None:
    """The text of the cell that runs here."""
    extension = getattr(shell, "_llm_magics", None)
    return extension.cells.text if extension is not None else None


def _bind(shell: Any, kept: Sequence[Answer | Comparison], ask: Ask) -> None:
    if not kept:
        return
    left = kept[-1]
    shell.user_ns["_llm"] = left
    shell.user_ns_hidden["_llm"] = left
    if ask.to and isinstance(left, Answer):
        shell.user_ns[ask.to] = _value(left, ask, "The answer")
    elif ask.to and isinstance(left, Comparison):
        answers = [(entry.label, entry.answer) for entry in left.entries]
        shell.user_ns[ask.to] = {label: _value(answer, ask, f"The answer of {label}") for label, answer in answers}


def _value(answer: Answer, ask: Ask, named: str) -> Any:
    """What ``--to`` binds: the text; with ``--as code`` the code, with ``--as json`` the value, where there is one."""
    if ask.output == "code":
        return code_in(answer.text) or answer.text
    if ask.output == "json":
        try:
            return json.loads(json_in(answer.text))
        except ValueError:
            print(clean(f"{named} is not valid JSON; its text was bound instead."), file=sys.stderr)  # noqa: T201
    return answer.text


def _params(options: Any) -> dict[str, Any]:
    given: dict[str, str] = {}
    for key, value in _given(options):
        if key in given:
            raise twice(key, given[key], value)
        given[key] = value
    return without_keys({key: parse_value(key, value) for key, value in given.items()})


def _given(options: Any) -> Iterator[tuple[str, str]]:
    """Parameters as they are written on the line."""
    for name, value in (("temperature", options.temperature), ("max_tokens", options.max_tokens)):
        if value is not None:
            yield name, value
    for param in options.param or []:
        key, equals, value = param.partition("=")
        if not equals:
            raise LineMistake(f"--param {cut(key)} needs a value: --param {cut(key)}=VALUE.")
        if looks_like_key_name(key):
            raise secret_on_the_line(key)
        if key in _OPTIONS:
            raise LineMistake(f"--param {key}: write {_OPTIONS[key]}.")
        if key not in REQUEST | set(TIMEOUTS):
            raise unknown_setting(key, REQUEST, where="--param: ")
        yield key, value


_OPTIONS = {
    "model": "-m MODEL",
    "stream": "--no-stream, or %llm_config stream=false for all prompts",
    "system": "-s SYSTEM",
    "messages": "the prompt below the %%llm line",
    "base_url": "%llm_config --add NAME base_url=…, and ask that model with -m NAME",
}


def _tools(given: list[str] | None, *, in_cell: bool) -> tuple[str, ...] | None:
    """The tools that are named, apart or with commas between; none of them is looked for yet."""
    if given is None:
        return None
    names = tuple(name.strip() for word in given for name in word.split(",") if name.strip())
    if names and given[-1].endswith(",") and not in_cell:
        raise LineMistake(f"--tools {given[-1]}: in a line there are no blanks between the names: --tools a,b.")
    if not names:
        raise LineMistake("--tools needs names: --tools weather,frames, or --tools none.")
    return names


MOST = 32  # answers to one prompt: more at once is what limits are for


def _models(given: list[str] | None) -> tuple[str, ...]:
    """The models that are named, apart or with commas between."""
    if given is None:
        return ()
    names = [name for word in given for name in word.split(",")]
    if "" in names:
        raise LineMistake("--model needs a value: --model MODEL.")
    for place, name in enumerate(names):
        if name.startswith("#"):
            raise LineMistake(f"this line takes no comments: leave out {short(' '.join(names[place:]))}.")
        if (times := names.count(name)) > 1:
            raise LineMistake(f"--model: {short(name)} is named twice; to ask it several times, write -n {times}.")
    return tuple(names)


def _repeats(given: str | None) -> int:
    if given is None:
        return 1
    if not re.fullmatch(r"[0-9]{1,4}", given) or not 1 <= int(given) <= MOST:
        raise LineMistake(f"-n: {short(given)} is not usable; it takes a whole number from 1 to {MOST}.")
    return int(given)


def _check_comparison(ask: Ask) -> None:
    count = max(1, len(ask.models)) * ask.repeats
    if count > MOST:
        raise LineMistake(f"{count} answers are too many at once: at most {MOST} (models times -n).")
    if ask.blind and (len(ask.models) < 2 or ask.repeats > 1):
        raise LineMistake("--blind compares two models or more, each asked once: %%llm -m MODEL MODEL --blind.")
    if ask.judge and count < 2:
        raise LineMistake("--judge compares two answers or more: name several models behind -m, or say -n 2.")
    if ask.judge and not ask.criteria.strip():
        raise LineMistake('--judge needs criteria: --judge MODEL "which answer is correct and short?"')
    if ask.tools and ask.compares:
        raise LineMistake("--tools is for one model, asked once: answers that are compared are given without tools.")
    if ask.judge and ask.blind:
        raise LineMistake("--judge and --blind do not go together: the judge's word would not leave your vote free.")


def _target(name: str | None) -> str | None:
    if name is None:
        return None
    spelt = unicodedata.normalize("NFKC", name)  # as Python itself reads names
    if not spelt.isidentifier():
        raise LineMistake(f"--to: {short(name)} is not a variable name.")
    if keyword.iskeyword(spelt):
        raise LineMistake(f"--to: {short(name)} is a keyword of Python; choose another name.")
    if hasattr(builtins, spelt):
        raise LineMistake(f"--to: {short(name)} is a builtin of Python, which it would hide; choose another name.")
    if _IPYTHONS.fullmatch(spelt):
        raise LineMistake(f"--to: {short(name)} is a name that IPython sets itself; choose another one.")
    return spelt


_IPYTHONS = re.compile(r"In|Out|get_ipython|exit|quit|_llm|_{1,3}|_i{1,3}|_(?:ih|oh|dh)|_i?\d+|__\w*__")


def _stray(rest: str, system: str | None) -> LineMistake:
    word = rest.split()[0]
    name, equals, _ = word.partition("=")
    if equals and looks_like_key_name(name):
        return secret_on_the_line(name)
    try:
        known = session.current().configuration.config.model_names()
    except ConfigError:
        known = []
    below = "the prompt goes below the %%llm line"
    if word.split("/")[0] in known:
        return LineMistake(f"unexpected word {short(word)}: to ask that model, write -m {cut(word)}. T{below[1:]}.")
    if equals and name in REQUEST | set(TIMEOUTS):
        return LineMistake(f"unexpected word {short(word)}: write --param {cut(word)}. T{below[1:]}.")
    if system is not None and " " not in system:
        return LineMistake(f'unexpected word {short(word)}: quote what has blanks, as in -s "Be brief.". T{below[1:]}.')
    return LineMistake(f"unexpected word {short(word)}: {below}, and a model behind -m.")
