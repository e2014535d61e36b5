"""The composition root and the notebook's one state: configuration, event loop, the last answer.

The only module with a mutable global: the current session, which `current` gives.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import aclosing
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from llm_magics import contexts, wire
from llm_magics.adapt import Plan, bent
from llm_magics.calls import Outcome, exchange, messages_of, request_body
from llm_magics.config import flatten, host_of
from llm_magics.configuration import FOUND, Configuration, is_demo
from llm_magics.errors import CallFailed, PromptError, UserMistake
from llm_magics.event_stream import BadPayload
from llm_magics.events import Answer, Ask, Event, Note, Status, Timing
from llm_magics.faults import explain
from llm_magics.interpolate import interpolate
from llm_magics.live import Painter, follow
from llm_magics.manager import ModelManager, connect_async
from llm_magics.runtime import Running, Runtime
from llm_magics.view import View, view_of

if TYPE_CHECKING:
    from llm_magics.manager import Connection

FORMATS = {
    "code": "Answer with a fenced code block.",
    "json": "Answer with one JSON value and nothing else.",
}
KEPT = 200  # answers whose notes and marks are still known when their message is shown again


class Session:
    """What all magics of a kernel share.

    Attributes:
        configuration: every setting, and where it comes from.
        last: the last answer; None before the first.
    """

    def __init__(self) -> None:
        self.configuration = Configuration()
        self.last: Answer | None = None
        self._runtime = Runtime()
        self._answers: dict[int, Answer] = {}
        self._introduced: set[str] = set()
        self._learnt: dict[tuple[str, str], dict[str, str | None]] = {}  # by endpoint and model

    @property
    def manager(self) -> ModelManager:
        """The one ``ModelManager`` of this kernel; replaced only when the configuration changes."""
        return self.configuration.manager

    def prepare(self, ask: Ask, namespace: Mapping[str, Any]) -> tuple[str, Connection, dict[str, Any]]:
        """The model's name, its connection, and the request body; nothing is sent.

        Raises:
            UserMistake: a model, a setting or a prompt that cannot be used.
        """
        prompt = ask.prompt if ask.raw else interpolate(ask.prompt, namespace, contexts.describe)
        if not prompt.strip():
            raise PromptError("the prompt is empty: nothing was sent.")
        name = ask.model or self.configuration.model()[0]
        settings = {**flatten(self.configuration.resolve(name)), **ask.params}
        system = ask.system if ask.system is not None else settings.get("system")
        system = "\n\n".join(part for part in (system, FORMATS.get(ask.output)) if part)
        connection = self.configuration.connection(name)
        if "timeout" in ask.params:
            connection = replace(connection, timeout=ask.params["timeout"])
        body = request_body(name, settings, messages_of(prompt, system))
        stream = ask.stream if ask.stream is not None else settings.get("stream", True)
        if stream:
            body["stream"] = True
            body["stream_options"] = settings.get("stream_options") or {"include_usage": True}
        return name, connection, bent(body, self._learnt.get((connection.base_url, body["model"]), {}))

    def ask(self, ask: Ask, namespace: Mapping[str, Any], painter: Callable[[str], Painter]) -> Answer:
        """Send a prompt, paint its answer as it grows, and keep what is left.

        Raises:
            UserMistake: nothing was sent.
            CallFailed: the call failed; an answer with what had arrived is kept in `last` all the same.
            KeyboardInterrupt: someone stopped it; likewise.
        """
        name, connection, body = self.prepare(ask, namespace)
        host = host_of(connection.base_url)
        outcome = Outcome(wire.Reply(), Plan(body, connection.max_retries, bends=True))
        outcome.plan.notes += self._introduction(ask, name, host)
        running = self._runtime.stream(_told(outcome.plan.notes, exchange(connect_async(connection), outcome)))
        painted = painter(f"{name} @ {'this machine' if is_demo(name) else host}")
        try:
            follow(running, painted)
        except BaseException as error:
            running.cancel()
            self._keep(self._answer(ask, name, host, outcome, running, _stopped(error)))
            self._leave(painted)
            raise
        self._learnt.setdefault((connection.base_url, body["model"]), {}).update(outcome.plan.learnt)
        if isinstance(running.error, UserMistake):
            raise running.error
        failure = self._failure(running, outcome, connection, name, host)
        answer = self._keep(self._answer(ask, name, host, outcome, running, _status(outcome.reply, failure)))
        if failure is not None:
            self._leave(painted)
            raise failure
        painted.close(self.view(answer))
        return answer

    def answer_for(self, message: Any) -> Answer | None:
        """The answer that a message came with, if it is one of the last ones of this session."""
        answer = self._answers.get(id(message))
        return answer if answer is not None and answer.message is message else None

    def view(self, answer: Answer) -> View:
        """What an answer looks like when it is finished."""
        return view_of(answer.message, answer)

    def _introduction(self, ask: Ask, name: str, host: str) -> list[str]:
        """Who was asked, said once of a server that nobody named: prompts go to whoever stands on that port."""
        if ask.model is not None or name in self._introduced or self.configuration.model()[1] != FOUND:
            return []
        self._introduced.add(name)
        return [f"asked {name}, which was found running at {host}"]

    def _leave(self, painter: Painter) -> None:
        assert self.last is not None
        view = self.view(self.last)
        if view.empty:
            painter.close(View())
        else:
            painter.leave(view)

    def _failure(
        self, running: Running, outcome: Outcome, connection: Connection, name: str, host: str
    ) -> CallFailed | None:
        seconds = time.monotonic() - running.started
        error = running.error
        if error is None and not outcome.reply.finished and not (outcome.reply.done and not outcome.reply.empty):
            error = BadPayload("an empty answer" if outcome.reply.empty else "an answer that ends in the middle")
        if error is None:
            return None
        where = f"{name} @ {host}, attempt {outcome.plan.attempts}, {seconds:.1f} s"
        return explain(error, where=where, outcome=outcome, connection=connection)

    def _answer(self, ask: Ask, name: str, host: str, outcome: Outcome, running: Running, status: Status) -> Answer:
        now = time.monotonic()
        first = running.first - running.started if running.first is not None else None
        return Answer(
            message=outcome.reply.message(),
            model=name,
            host=host,
            server_model=outcome.reply.model,
            status=status,
            finish_reason=outcome.reply.finish_reason,
            usage=outcome.reply.usage,
            timing=Timing(first_token=first, total=now - running.started),
            notes=tuple(outcome.plan.notes),
            request=outcome.plan.body,
            output=ask.output,
        )

    def _keep(self, answer: Answer) -> Answer:
        self.last = answer
        self._answers[id(answer.message)] = answer
        while len(self._answers) > KEPT:
            del self._answers[next(iter(self._answers))]
        return answer


async def _told(notes: list[str], events: AsyncIterator[list[Event]]) -> AsyncIterator[list[Event]]:
    """The notes there are already, then the events."""
    if notes:
        yield [Note(text) for text in notes]
    async with aclosing(events) as batches:  # type: ignore[type-var]
        async for batch in batches:
            yield batch


def _stopped(error: BaseException) -> Status:
    return "interrupted" if isinstance(error, KeyboardInterrupt) else "failed"


def _status(reply: wire.Reply, failure: CallFailed | None) -> Status:
    if failure is not None:
        return "failed" if reply.empty else "cut off"
    if reply.finish_reason == "length":
        return "truncated"
    if reply.finish_reason == "content_filter":
        return "filtered"
    return "refused" if reply.message().refusal else "ok"


_current: Session | None = None


def current() -> Session:
    """This kernel's session; made at the first call."""
    global _current
    if _current is None:
        _current = Session()
    return _current
