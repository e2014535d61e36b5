"""A lane: one prompt on its way to one model, what has come back so far, and how it ended.

An answer is one lane; a comparison is nothing more than several.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from llm_magics import wire
from llm_magics.config import host_of
from llm_magics.endpoints.exchange import Outcome, exchange
from llm_magics.errors import LLMError, UserMistake
from llm_magics.events import Answer, Ask, Cost, Event, Note, Status, Timing
from llm_magics.faults import explain
from llm_magics.keyless import Keyless
from llm_magics.printable import short_line
from llm_magics.refusals.adapt import Finding, Plan
from llm_magics.remarks import remarks
from llm_magics.runtime import Bell, Running, Runtime
from llm_magics.scrub import message_without
from llm_magics.usage import cost_of
from llm_magics.view import View, fold
from llm_magics.wire.event_stream import BadPayload

if TYPE_CHECKING:
    from openai import AsyncOpenAI

    from llm_magics.manager import Connection
    from llm_magics.tools import Tool

# How servers call these two ends: OpenAI's word, then Mistral's and Anthropic's, Gemini's, Zhipu's.
_TRUNCATED = frozenset({"length", "max_tokens", "model_length"})
_FILTERED = frozenset({"content_filter", "safety", "recitation", "prohibited_content", "blocklist", "sensitive"})
SAID = 160  # characters of what an endpoint said about what it does not take


@dataclass(frozen=True, slots=True)
class Prepared:
    """A prompt made into a request: the model's name, its connection, the body, and what the person is told with it.

    ``prompt`` is the text that was put into the body, with the values it takes in; ``tools`` are what may be called.
    """

    name: str
    connection: Connection
    body: dict[str, Any]
    notes: tuple[str, ...] = ()
    settings: Mapping[str, Any] = field(default_factory=dict)
    prompt: str = ""
    tools: tuple[Tool, ...] = ()


class Lane:
    """One prompt on its way to one model.

    Attributes:
        label: what the lane is called beside others.
        outcome: what the exchange knows besides its events.
        running: the exchange, on the loop's thread.
        view: what the answer looks like so far.
        answer: what was left behind; None until `end`.
        failure: why that is not whole; None while, and where, nothing failed.
    """

    def __init__(
        self,
        ask: Ask,
        prepared: Prepared,
        client: AsyncOpenAI,
        runtime: Runtime,
        *,
        notes: Iterable[str] = (),
        label: str = "",
        bell: Bell | None = None,
    ) -> None:
        self.label = label or prepared.name
        self.connection = prepared.connection
        self.name, self.host = prepared.name, host_of(prepared.connection.base_url)
        self.model = str(prepared.body["model"])
        plan = Plan(prepared.body, self.connection.max_retries, bends=True)
        plan.notes += [*notes, *prepared.notes]
        self.outcome = Outcome(wire.Reply(), plan, self.connection.clocks)
        self.view = View()
        self.answer: Answer | None = None
        self.failure: LLMError | None = None
        self._ask, self._settings = ask, prepared.settings
        self._keyless = Keyless(self.connection.answer_redactor)
        self.running: Running = runtime.stream(_told(plan.notes, exchange(client, self.outcome)), bell)

    @property
    def waited(self) -> float:
        """Seconds for which nothing of the answer has come; 0 once something has."""
        return 0.0 if self.running.first else time.monotonic() - self.running.started

    @property
    def first_token(self) -> float | None:
        """Seconds to the first piece of the answer; None while, and where, there is none."""
        return self.running.first - self.running.started if self.running.first is not None else None

    @property
    def seconds(self) -> float:
        """Seconds to its end, or until now."""
        return (self.running.ended or time.monotonic()) - self.running.started

    @property
    def sent(self) -> bool:
        """Whether a request has gone out."""
        return self.outcome.plan.attempts > 0

    @property
    def learnt(self) -> dict[str, Finding]:
        """What the endpoint turned out not to take; nothing of a request that failed all the same."""
        return redacted(self.outcome.plan.learnt, self.connection) if self.outcome.reply.choices else {}

    @property
    def cost(self) -> Cost | None:
        """What the answer cost; None where no price is known."""
        usage, model = self.outcome.reply.usage, self.server_model or self.model
        return cost_of(usage, model=model, base_url=self.connection.base_url, settings=self._settings)

    def read(self) -> None:
        """Take what has arrived into the view."""
        self.view = fold(self.view, self._keyless.feed(self.running.take()))

    def end(self, status: Status | None = None, notes: Iterable[str] = ()) -> Answer:
        """What the exchange leaves behind, whole or not; ``status`` where it was stopped rather than over.

        ``notes`` are told with the answer, beside what the exchange itself has to tell.
        """
        if status is None:
            self.failure = self._failed()
            status = _status(self.outcome.reply, self.failure)
        self.answer = self._left(status, notes)
        return self.answer

    def _failed(self) -> LLMError | None:
        error = self.running.error
        if isinstance(error, UserMistake):
            return error
        try:
            if error is None:
                self.outcome.reply.check_whole()
                return None
        except BadPayload as found:
            error = found
        plan = self.outcome.plan
        tried = _ladder(plan, self.connection)
        where = f"{self.name} @ {self.host}, attempt {plan.attempts}, {self.seconds:.1f} s{tried}"
        return explain(error, name=self.name, where=where, outcome=self.outcome, connection=self.connection)

    def _left(self, status: Status, notes: Iterable[str]) -> Answer:
        keys, reply, plan = self.connection.answer_redactor, self.outcome.reply, self.outcome.plan
        return Answer(
            message=message_without(reply.message(), keys),
            model=self.name,
            host=self.host,
            server_model=self.server_model,
            status=status,
            finish_reason=keys.value(reply.finish_reason),
            usage=keys.value(reply.usage),
            timing=Timing(first_token=self.first_token, total=self.seconds),
            notes=(*plan.notes, *remarks(plan, reply, self.connection.redactor.text), *notes),
            request=keys.value(plan.body) if self._ask.allow_secret or self.connection.parameters else plan.body,
            output=self._ask.output,
        )

    @property
    def server_model(self) -> str | None:
        """What the endpoint says it runs."""
        return self.connection.answer_redactor.value(self.outcome.reply.model)  # type: ignore[no-any-return]


async def _told(notes: list[str], events: AsyncIterator[list[Event]]) -> AsyncIterator[list[Event]]:
    """The notes there are already, then the events."""
    if notes:
        yield [Note(text) for text in notes]
    async with aclosing(events) as batches:  # type: ignore[type-var]
        async for batch in batches:
            yield batch


def redacted(findings: Mapping[str, Finding], connection: Connection) -> dict[str, Finding]:
    """What an endpoint said, kept for showing: short, and without the key, which some servers repeat."""
    return {
        name: replace(finding, said=short_line(connection.redactor.text(finding.said), SAID))
        for name, finding in findings.items()
    }


def stopped_by(error: BaseException) -> Status:
    """How an answer ended that something other than its own end stopped."""
    return "interrupted" if isinstance(error, KeyboardInterrupt) else "failed"


def _ladder(plan: Plan, connection: Connection) -> str:
    """What was changed to no avail, and what the endpoint said in the end."""
    if not plan.notes or not plan.learnt:
        return ""
    tried = "; ".join(plan.learnt[name].note for name in plan.learnt)
    said = short_line(connection.redactor.text(plan.last_said), SAID)
    return f"; {tried}" + (f"; then: {said}" if said else "")


def _status(reply: wire.Reply, failure: LLMError | None) -> Status:
    if failure is not None:
        return "failed" if reply.empty else "cut off"
    reason = (reply.finish_reason or "").lower()
    if reason in _TRUNCATED:
        return "truncated"
    if reason in _FILTERED:
        return "filtered"
    return "refused" if reply.message().refusal else "ok"
