"""What a model does with tools, on the cell's thread: each call is decided on, asked about, run and answered."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, Protocol

from llm_magics.call_views.asking import question
from llm_magics.errors import ToolLimit
from llm_magics.events import Answer, Status, Step, Timing
from llm_magics.interrupts import Hold
from llm_magics.lanes import Prepared
from llm_magics.live import Painter
from llm_magics.loop import Bounds, Call, Conversation, Verdict
from llm_magics.printable import clean
from llm_magics.safe.markdown import escape, fenced
from llm_magics.tool_runs import run
from llm_magics.tools import Tool
from llm_magics.view import CallView, View

NOBODY = (
    "nobody can be asked here whether this may run; where a person types the prompt, in a notebook or a terminal, "
    "they are asked."
)
DENIED = "the user was asked, and said no."
UNREACHED = "interrupted by the user before it was run."


class Pins(Protocol):
    """Remembers what tools were when someone said yes to them."""

    def changed(self, tool_name: str) -> str | None:
        """What is different now, as a diff; None where nothing is."""

    def accept(self, tool_name: str) -> None:
        """As it is now it is approved."""


class ToolUse:
    """One prompt's conversation with tools.

    Args:
        prepared: the prompt, with the tools that are offered.
        keyless: takes keys out of what tools give.
        pins: knows which tools are not what they were when someone last said yes to them.
        guarded: called before a tool runs; what it gives is called behind it, puts back what only the person may
            change, and says so.

    Attributes:
        steps: the rounds that are over.
    """

    def __init__(
        self,
        prepared: Prepared,
        keyless: Callable[[str], str],
        guarded: Callable[[], Callable[[], str]],
        hold: Hold,
        pins: Pins,
    ) -> None:
        self.steps: list[Step] = []
        self._bounds = Bounds.of(prepared.settings)
        self._conversation = Conversation(prepared.tools, self._bounds, list(prepared.body["messages"]))
        self._keyless, self._guarded, self._hold, self._pins = keyless, guarded, hold, pins
        self._tables: list[Any] = []
        self._notes: list[str] = []
        self._answers: list[Answer] = []
        self._began = time.monotonic()

    def wants(self, answer: Answer) -> bool:
        """Whether an answer calls tools, rather than ends the conversation."""
        return bool(self._conversation.tools and answer.message.tool_calls and answer.status == "ok")

    def check(self, view: View) -> None:
        """Look at calls while they arrive: what is far too long, or far too many, is not waited for.

        Raises:
            ToolLimit: it is.
        """
        if not self._conversation.tools:
            return
        most = 2 * self._bounds.arguments
        if long := next((call for call in view.calls if len(call.arguments) > most), None):
            said = f"the arguments of {long.name} did not end after {most:,} characters (max_tool_arguments)"
            raise self._limit(said, "")
        if len(view.calls) > 2 * self._bounds.calls:
            said = f"the model wanted more than {2 * self._bounds.calls:,} calls at once (max_tool_calls)"
            raise self._limit(said, "")

    def act(self, answer: Answer, painter: Painter, view: View) -> list[dict[str, Any]]:
        """Decide on the calls of an answer, run what may run, and give the messages to go on with.

        Raises:
            ToolLimit: the conversation has gone on for too long.
            KeyboardInterrupt: someone stopped it. The round is complete all the same: see `whole`.
        """
        calls = self._conversation.calls_in(answer.message)

        def shown() -> View:
            return replace(view, calls=tuple(CallView(call.name, call.text, call.run) for call in calls))

        def paint() -> None:
            painter.acts(shown())

        try:
            for call in calls:
                self._hold.check()
                self._settle(call, painter, paint)  # what came of it is painted with the next one, or the turn
        finally:
            for call in calls:
                call.run = call.run if _is_over(call) else call.over("interrupted", UNREACHED)
            self._over(answer, calls)
        if self._conversation.stopped:
            raise self._limit(self._conversation.stopped, f"{answer.model} @ {answer.host}")
        painter.turn(shown())
        return list(self._conversation.messages)

    def whole(self, answer: Answer, status: Status | None = None) -> Answer:
        """The last round's answer with all that went before it; the last round may be one that was acted on."""
        if self._conversation.tools and answer.message.tool_calls and not self._is_acted_on(answer):
            self._leave_undone(answer)
        acted = self._is_acted_on(answer)
        steps = self.steps[:-1] if acted else self.steps
        answers = self._answers if acted else [*self._answers, answer]
        if not acted:
            self._conversation.take(answer.message)
        return replace(
            answer,
            status=status or answer.status,
            steps=tuple(steps),
            runs=self.steps[-1].runs if acted else (),
            tables=tuple(self._tables),
            messages=tuple(self._conversation.messages),
            notes=tuple(dict.fromkeys([note for one in answers for note in one.notes] + self._notes)),
            usage=_sum([one.usage for one in answers]),
            timing=Timing(first_token=answers[0].timing.first_token, total=self._total(answers)),
        )

    def _is_acted_on(self, answer: Answer) -> bool:
        return bool(self._answers) and self._answers[-1] is answer

    def _leave_undone(self, answer: Answer) -> None:
        """Nothing of an answer that is not whole is run; its calls are answered all the same."""
        calls = self._conversation.calls_in(answer.message)
        for call in calls:
            call.run = call.over("denied", "the answer was not whole.")
        self._over(answer, calls)

    def _over(self, answer: Answer, calls: list[Call]) -> None:
        self._conversation.close(calls)
        self._answers.append(answer)
        self.steps.append(Step(message=answer.message, runs=tuple(call.run for call in calls if call.run)))

    def _total(self, answers: list[Answer]) -> float:
        return answers[0].timing.total if len(answers) == 1 and not self.steps else time.monotonic() - self._began

    def _settle(self, call: Call, painter: Painter, paint: Callable[[], None]) -> None:
        verdict = self._conversation.verdict(call)
        if verdict.what == "ask":
            call.run = call.over("asking")
            paint()
            verdict = self._asked(call, verdict.why, painter)
        if verdict.what == "refuse":
            call.run = call.over("denied", verdict.why)
            return
        self._conversation.begin(call)
        call.run = call.over("running")
        paint()
        unchanged = self._guarded()
        try:
            ran = run(call, self._bounds, self._keyless, self._hold)
        finally:
            if said := unchanged():
                self._notes.append(said)
        if ran.table is not None:
            self._tables.append(ran.table)

    def _asked(self, call: Call, why: str, painter: Painter) -> Verdict:
        assert call.tool is not None
        markdown, plain = question(call.over("asking"))
        for label, text, language in reversed(self._besides(call.tool, why)):
            markdown = f"**{escape(label)}**\n\n{fenced(text, language) if text else ''}\n\n{markdown}"
            plain = "\n".join(clean(part) for part in (label, text) if part) + f"\n{plain}"
        with self._hold.opened():
            word = painter.asks(markdown, plain)
        if word is None:
            return Verdict("refuse", NOBODY)
        if word in ("y", "a"):
            self._pins.accept(call.tool.name)
        if word == "a":
            self._conversation.approved.add((call.tool.name, bool(why)))
        return Verdict("run" if word in ("y", "a") else "refuse", DENIED)

    def _besides(self, tool: Tool, why: str) -> list[tuple[str, str, str]]:
        """What else is to be known of a call before it runs: headings, each with a text and its language."""
        found = [(_sentence(why), "", "")] if why else []
        if tool.toolset and tool.name.startswith(f"{tool.toolset}."):
            found.append((f"What the MCP server {tool.toolset} says of this tool:", tool.description, "text"))
        if difference := self._pins.changed(tool.name):
            found.append(("This tool is not what it was when it was last approved:", difference, "diff"))
        return found

    def _limit(self, said: str, where: str) -> ToolLimit:
        made, rounds = self._conversation.made, self._conversation.rounds
        made_in = f"{made} {'call' if made == 1 else 'calls'} in {rounds} {'round' if rounds == 1 else 'rounds'}"
        counted = f"{made_in}, {time.monotonic() - self._began:.1f} s"
        setting = said.rpartition("(")[2].rstrip(")") if said.endswith(")") else ""
        raised = f", or raise the bound with %llm_config {setting}=…" if setting else ""
        move = f"What was said and done is in _llm. Ask for less at once{raised}."
        return ToolLimit(_sentence(said), f"{where}, {counted}" if where else counted, move)


def next_body(body: Mapping[str, Any], messages: list[dict[str, Any]]) -> dict[str, Any]:
    """The request of a later round: a choice that forces a call was met by the first, and would never end."""
    body = {**body, "messages": messages}
    if _forces(body.get("tool_choice")):
        del body["tool_choice"]
    return body


def _forces(choice: Any) -> bool:
    inner = choice.get("allowed_tools", choice) if isinstance(choice, Mapping) else choice
    return (inner.get("mode", "required") if isinstance(inner, Mapping) else inner) not in (None, "auto", "none")


def _sentence(said: str) -> str:
    return f"{said[0].upper()}{said[1:].rstrip('.')}."


def _is_over(call: Call) -> bool:
    return call.run is not None and call.run.state not in ("asking", "running")


def _sum(usages: list[Mapping[str, Any] | None]) -> Mapping[str, Any] | None:
    """What several requests took together; None where none told."""
    told = [usage for usage in usages if usage is not None]
    if len(told) < 2:
        return told[0] if told else None
    total: dict[str, Any] = {}
    for name in dict.fromkeys(name for usage in told for name in usage):
        values = [usage[name] for usage in told if usage.get(name) is not None]
        if values and all(isinstance(value, Mapping) for value in values):
            total[name] = _sum(values)
        elif values and all(isinstance(value, int | float) and not isinstance(value, bool) for value in values):
            total[name] = sum(values)
        elif values:
            total[name] = values[-1]
    return total
