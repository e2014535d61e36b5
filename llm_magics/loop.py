"""The tool-calling conversation: what a message's calls come to, what the model is told, and when it goes on too long.

Nothing is run here and nobody is asked: a `Conversation` says what may happen to a call, and is told what did.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from llm_magics.endpoints.request import messages_of
from llm_magics.errors import cut, short
from llm_magics.events import ToolRun

if TYPE_CHECKING:
    from llm_magics.tools import Flag, Tool

FAULTS = 2  # rounds with calls that cannot be run, after which the model has been told often enough
UNREADABLE = 1_000  # characters of arguments that could not be read, as the model is reminded of them
BUILT_IN: Mapping[str, Any] = {
    "max_tool_rounds": 8,
    "max_tool_calls": 32,
    "max_tool_repeats": 3,
    "max_tool_arguments": 65_536,
    "max_tool_result": 32_768,
    "tool_timeout": 60.0,
}
_IN_WORDS: Mapping[str, str] = {
    "reads_private": "reads private data",
    "reads_untrusted": "reads what strangers wrote",
    "sends_out": "can send something out",
}
ALL_THREE = frozenset(_IN_WORDS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """How far a conversation may go.

    Attributes:
        rounds: messages whose calls are run.
        calls: calls that are run, in all.
        repeats: times that one call is run with the same arguments.
        arguments: characters of one call's arguments.
        result: characters of one result that the model is told.
        seconds: for one call.
    """

    rounds: int
    calls: int
    repeats: int
    arguments: int
    result: int
    seconds: float

    @classmethod
    def of(cls, settings: Mapping[str, Any]) -> Bounds:
        """The bounds among a model's settings."""
        given = {name: settings[name] if settings.get(name) is not None else least for name, least in BUILT_IN.items()}
        return cls(
            rounds=given["max_tool_rounds"],
            calls=given["max_tool_calls"],
            repeats=given["max_tool_repeats"],
            arguments=given["max_tool_arguments"],
            result=given["max_tool_result"],
            seconds=given["tool_timeout"],
        )


@dataclass(slots=True, kw_only=True)
class Call:
    """A call that a model wants.

    Attributes:
        text: its arguments as the model wrote them; what runs is read from exactly this.
        tool: what it names; None where that was not offered.
        problem: why it cannot be run, in words for the model; empty where it can.
        run: what came of it; None until then.
    """

    id: str
    name: str
    text: str
    tool: Tool | None = None
    problem: str = ""
    run: ToolRun | None = None

    def arguments(self) -> dict[str, Any]:
        """What the tool takes, read anew each time.

        Raises:
            ValueError: it cannot be read; says why, in words for the model.
        """
        assert self.tool is not None
        return self.tool.read(_object_in(self.text))

    def over(self, state: Literal["asking", "running", "denied", "interrupted"], content: str = "") -> ToolRun:
        """What is said of a call that has not run."""
        name, code = (self.tool.name, self.tool.code) if self.tool else (self.name, None)
        return ToolRun(id=self.id, name=name, arguments=self.text, state=state, content=content, code=code)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What may happen to a call: it runs, someone is asked first, or it is refused; and why."""

    what: Literal["run", "ask", "refuse"]
    why: str = ""


@dataclass(slots=True)
class Conversation:
    """Messages, the tools that were offered, and what has been made of them so far.

    Attributes:
        messages: in the SDK's form, ready to be sent; every call in them has its result once its round is closed.
        stopped: the bound that was reached, as ``what happened, and the setting``; empty until one is.
        approved: the tools that need no more questions in this conversation, each with whether that was said
            in view of all three flags.
    """

    tools: Sequence[Tool]
    bounds: Bounds
    messages: list[dict[str, Any]]
    stopped: str = ""
    approved: set[tuple[str, bool]] = field(default_factory=set)
    rounds: int = 0
    made: int = 0
    _faulty: int = 0
    _times: Counter[tuple[str, str]] = field(default_factory=Counter)
    _flags: dict[Flag, str] = field(default_factory=dict)

    def calls_in(self, message: Any) -> list[Call]:
        """The calls of a message, which joins the conversation; one round begins."""
        found = [self._call(one) for one in message.tool_calls or []]
        self.take(message)
        if self.rounds >= self.bounds.rounds:
            self._stop(f"the model called tools in {self.rounds} rounds and wanted more (max_tool_rounds)")
        self.rounds += 1
        if any(call.problem for call in found):
            self._faulty += 1
            if self._faulty > FAULTS:
                reason = next(call.problem for call in found if call.problem)
                self._stop(f"the model was told {FAULTS} times that its calls cannot be run, and went on: {reason}")
        return found

    def take(self, message: Any) -> None:
        """A message of the model's joins the conversation, as any server takes it back."""
        sent = messages_of([message.model_dump(exclude_none=True, warnings=False)])
        for call in sent[0].get("tool_calls") or []:
            if function := call.get("function"):
                name, arguments = _resent_name(function["name"]), self._resent(function["arguments"])
                call["function"] = {**function, "name": name, "arguments": arguments}
        self.messages += sent

    def _resent(self, text: str) -> str:
        """A call's arguments for servers that read those of earlier calls: an object, and not a huge one."""
        try:
            if len(text) <= self.bounds.arguments:
                return text if isinstance(json.loads(text), dict) else json.dumps(_object_in(text))
        except (ValueError, RecursionError):
            pass
        return json.dumps({"unreadable": text[:UNREADABLE]})

    def _call(self, asked: Any) -> Call:
        body = getattr(asked, "function", None) or getattr(asked, "custom", None)
        name, text = getattr(body, "name", None) or "", getattr(body, "arguments", None)
        call = Call(id=asked.id, name=str(name), text=text if isinstance(text, str) else "{}")
        call.tool = next((tool for tool in self.tools if call.name in (tool.wire_name, tool.name)), None)
        call.problem = self._problem(call)
        return call

    def _problem(self, call: Call) -> str:
        if call.tool is None:
            names = ", ".join(tool.wire_name for tool in self.tools)
            return f"there is no tool {short(call.name)} here. The tools are: {names}."
        if len(call.text) > self.bounds.arguments:
            return (
                f"the arguments have {len(call.text):,} characters, and {self.bounds.arguments:,} are the most "
                "(max_tool_arguments)."
            )
        try:
            call.arguments()
        except ValueError as error:
            return str(error)
        return ""

    def verdict(self, call: Call) -> Verdict:
        """What may happen to a call now, after all that happened before it."""
        if self.stopped:
            return Verdict("refuse", self.stopped)
        if call.problem or call.tool is None:
            return Verdict("refuse", call.problem)
        if call.tool.policy == "deny":
            return Verdict("refuse", f"the user does not allow {call.tool.name}.")
        if self.made >= self.bounds.calls:
            self._stop(f"{self.made} calls were made, and the model wanted more (max_tool_calls)")
        elif self._times[_identity(call)] >= self.bounds.repeats:
            times = self.bounds.repeats
            self._stop(f"{call.tool.name} was called {times} times with the same arguments (max_tool_repeats)")
        if self.stopped:
            return Verdict("refuse", self.stopped)
        return self._asked(call.tool)

    def _asked(self, tool: Tool) -> Verdict:
        warning = self.warning(tool)
        if (tool.name, bool(warning)) in self.approved:
            return Verdict("run")
        if warning:
            return Verdict("ask", warning)
        return Verdict("ask" if tool.policy == "ask" else "run")

    def warning(self, tool: Tool) -> str:
        """Why a call is dangerous after those before it; empty where it is not, or its own flags are none."""
        if not tool.flags:
            return ""
        held = {**dict.fromkeys(tool.flags, tool.name), **self._flags}
        if not held.keys() >= ALL_THREE:
            return ""
        who: dict[str, list[str]] = {}
        for flag, words in _IN_WORDS.items():
            who.setdefault(held[flag], []).append(words)  # type: ignore[index]
        brought = "; ".join(f"{name} {' and '.join(words)}" for name, words in who.items())
        return f"in this conversation {brought}: together, a stranger's words could send your data out"

    def begin(self, call: Call) -> None:
        """A call runs now."""
        assert call.tool is not None
        self.made += 1
        self._times[_identity(call)] += 1
        self._flags = {**dict.fromkeys(call.tool.flags, call.tool.name), **self._flags}

    def close(self, calls: Iterable[Call]) -> None:
        """The round is over: every call has its result."""
        for call in calls:
            assert call.run is not None
            self.messages.append({"role": "tool", "tool_call_id": call.id, "content": _said_of(call.run)})

    def _stop(self, why: str) -> None:
        self.stopped = self.stopped or why


def _resent_name(name: str | None) -> str:
    """A call's name as servers take it back, which look at that as well: a model may call what nobody has."""
    return re.sub(r"[^A-Za-z0-9_-]", "_", name or "")[:64] or "unknown"


def _said_of(run: ToolRun) -> str:
    """A result as the model is told it, which cannot see a state; some servers refuse one that says nothing."""
    head = {"failed": "Error: ", "denied": "Not run: ", "interrupted": "Not finished: "}.get(run.state, "")
    return f"{head}{run.content}" if run.content.strip() else f"{head}(an empty text)"


def _identity(call: Call) -> tuple[str, str]:
    """What makes two calls the same: the tool, and the arguments whatever their order and blanks."""
    assert call.tool is not None
    return call.tool.name, json.dumps(_object_in(call.text), sort_keys=True)


def _object_in(text: str) -> dict[str, Any]:
    """The object in a call's arguments.

    Raises:
        ValueError: there is none; says why, in words for the model.
    """
    try:
        found = json.loads(text or "{}", object_pairs_hook=_once, parse_constant=_no_constant)
        if isinstance(found, str):  # some models write the object as a text in JSON
            found = json.loads(found, object_pairs_hook=_once, parse_constant=_no_constant)
    except RecursionError:
        raise ValueError("the arguments are nested too deeply.") from None
    except json.JSONDecodeError as error:
        where = f"{error.msg}, at character {error.pos + 1} of {len(error.doc)}"
        raise ValueError(f"the arguments are no valid JSON: {where}.") from None
    if found is None:
        return {}
    if not isinstance(found, dict):
        raise ValueError("the arguments are no JSON object.")
    return found


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        twice = next(name for name, times in Counter(name for name, _ in pairs).items() if times > 1)
        raise ValueError(f"the argument {cut(twice)} stands twice.")
    return found


def _no_constant(name: str) -> Any:
    raise ValueError(f"the arguments are no valid JSON: {name} is no number there.")
