"""A prompt to one model, from the request to what is left on the page; with tools it takes several rounds."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from llm_magics.config import host_of
from llm_magics.configuration import Configuration, is_demo
from llm_magics.errors import UserMistake
from llm_magics.events import Answer, Ask, Status
from llm_magics.following import follow
from llm_magics.interrupts import Hold, held
from llm_magics.key_shapes import masked
from llm_magics.lanes import Lane, Prepared, stopped_by
from llm_magics.live import Painter
from llm_magics.renderers.markdown import hosts_wanted
from llm_magics.runtime import cancel
from llm_magics.secrets import redactor_of
from llm_magics.session.answers import Answers
from llm_magics.session.dispatch import Dispatch
from llm_magics.session.preparing import Preparing
from llm_magics.tool_use import ToolUse, next_body
from llm_magics.toolbox import Toolbox
from llm_magics.view import View

if TYPE_CHECKING:
    from openai import AsyncOpenAI

MAX_HOSTS_ASKED = 10  # whose pictures one question is about; all of them are named


class Prompting:
    """Asks one model at a time."""

    def __init__(
        self,
        preparing: Preparing,
        dispatch: Dispatch,
        answers: Answers,
        configuration: Configuration,
        toolbox: Toolbox,
    ) -> None:
        self.preparing, self.dispatch, self.answers = preparing, dispatch, answers
        self.configuration, self.toolbox = configuration, toolbox

    def ask(
        self,
        ask: Ask,
        namespace: Mapping[str, Any],
        painter: Callable[[str], Painter],
        keep: Callable[[Answer], None],
    ) -> Answer:
        """See `Session.ask`."""
        with held() as hold:
            with hold.opened():
                prepared = self.preparing.one(ask, namespace)
                client = self.dispatch.client(prepared)
            where = "this machine" if is_demo(prepared.name) else host_of(prepared.connection.base_url)
            painted = painter(f"{prepared.name} @ {where}")
            guarded = partial(self.toolbox.guarded, namespace)
            use = ToolUse(prepared, _keyless(ask, prepared), guarded, hold, self.toolbox.servers)
            return _Prompt(self, ask, prepared, client, use, painted, keep, hold).run()


class _Prompt:
    """One prompt on its way, with what it is painted by and whom its answer is handed to."""

    def __init__(
        self,
        parts: Prompting,
        ask: Ask,
        prepared: Prepared,
        client: AsyncOpenAI,
        use: ToolUse,
        painted: Painter,
        keep: Callable[[Answer], None],
        hold: Hold,
    ) -> None:
        self._parts, self._ask, self._prepared, self._client = parts, ask, prepared, client
        self._use, self._painted, self._keep, self._hold = use, painted, keep, hold

    def run(self) -> Answer:
        """All rounds, to the last answer."""
        notes = self._parts.dispatch.beforehand(self._ask, self._prepared)
        while True:
            lane = self._parts.dispatch.open(self._ask, self._prepared, self._client, notes=notes)
            answer = self._answered(lane)
            if not self._use.wants(answer):
                break
            lane.read()  # what came last: nothing else shows a round's text
            try:
                messages = self._use.act(answer, self._painted, lane.view)
            except BaseException as error:
                self._leave(answer, stopped_by(error))
                raise
            body = next_body(self._prepared.body, messages)
            self._prepared, notes = self._parts.preparing.refitted(self._prepared, body), ()
        answer = self._kept(answer)
        try:
            with self._hold.opened():
                self._offer_pictures(answer)
        except KeyboardInterrupt:
            self._show_left(answer)
            raise
        self._painted.close(self._parts.answers.view(answer))
        return answer

    def _answered(self, lane: Lane) -> Answer:
        """What one round comes to, painted as it grows."""

        def paint() -> None:
            self._use.check(lane.view)
            self._painted.paint(lane.view, lane.waited)

        try:
            follow([lane], paint, self._hold)
        except BaseException as error:
            cancel(lane.running)
            if lane.sent or self._use.steps:
                self._leave(lane.end(stopped_by(error)))
            else:
                self._painted.close(View())
            raise
        if isinstance(lane.running.error, UserMistake):
            raise lane.running.error
        answer = self._parts.dispatch.settle(lane)
        if lane.failure is not None:
            self._leave(answer)
            raise lane.failure
        return answer

    def _kept(self, answer: Answer, status: Status | None = None) -> Answer:
        """All rounds as one answer, handed over; without the keys that were sent with leave."""
        whole = self._use.whole(answer, status)
        whole = replace(whole, messages=self._prepared.connection.answer_redactor.value(whole.messages))
        self._keep(self._parts.answers.keep(whole))
        return whole

    def _leave(self, answer: Answer, status: Status | None = None) -> None:
        """Keep and show what there is of an answer that nothing more will come of."""
        self._show_left(self._kept(answer, status))

    def _show_left(self, answer: Answer) -> None:
        view = self._parts.answers.view(answer)
        if view.empty and not view.steps:
            self._painted.close(View())
        else:
            self._painted.leave(view)

    def _offer_pictures(self, answer: Answer) -> None:
        """Ask whether the pictures of a complete answer may be loaded, where the setting says so."""
        configuration = self._parts.configuration
        if configuration.pictures(answer.model).mode != "ask":
            return
        hosts = hosts_wanted(self._parts.answers.view(answer))[:MAX_HOSTS_ASKED]
        if hosts and self._painted.allows(f"Load pictures from {', '.join(hosts)}? [y/N] "):
            configuration.allow_pictures(hosts)


def _keyless(ask: Ask, prepared: Prepared) -> Callable[[str], str]:
    """Takes keys out of what tools give: it goes to the model, which is somebody else."""
    connection = prepared.connection
    known = redactor_of([*connection.credentials, *connection.others], answers=True)
    return known.text if ask.allow_secret else lambda text: masked(known.text(text))
