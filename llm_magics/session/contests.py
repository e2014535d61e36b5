"""A prompt to several models at once, from their requests to the comparison, its judge and the votes on it."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from llm_magics import judge, votes
from llm_magics.comparing import compared, in_order, is_from, labels, round_of
from llm_magics.comparisons.comparison import Comparison, model_name
from llm_magics.configuration import Configuration
from llm_magics.errors import ConfigError, PromptError
from llm_magics.events import Ask
from llm_magics.following import follow
from llm_magics.interrupts import Hold, held
from llm_magics.judge import Judgement
from llm_magics.lanes import Lane, Prepared, stopped_by
from llm_magics.runtime import Bell, cancel
from llm_magics.session.answers import Answers
from llm_magics.session.dispatch import Dispatch
from llm_magics.session.preparing import Preparing
from llm_magics.usage import warm_up

if TYPE_CHECKING:
    from llm_magics.boards import Board


class Contests:
    """Asks several models, or one several times; knows the last comparison, for a vote on it."""

    def __init__(
        self, preparing: Preparing, dispatch: Dispatch, answers: Answers, configuration: Configuration
    ) -> None:
        self._preparing, self._dispatch, self._answers = preparing, dispatch, answers
        self._configuration = configuration
        self._last: tuple[Comparison, Board] | None = None

    @property
    def last(self) -> Comparison | None:
        """The last comparison; None before the first."""
        return self._last[0] if self._last else None

    def compare(
        self,
        ask: Ask,
        namespace: Mapping[str, Any],
        board: Callable[[Sequence[Lane]], Board],
        keep: Callable[[Comparison], None],
    ) -> Comparison:
        """See `Session.compare`."""
        with held() as hold:
            with hold.opened():
                prepared = in_order(ask, self._preparing.all(ask, namespace))
                if ask.judge:  # a judge that cannot be asked is a mistake to be told before anything is sent
                    self._preparing.one(Ask(prompt="?", models=(ask.judge,), tools=()), namespace)
                clients = [self._dispatch.client(one) for one in prepared]
            ask = replace(ask, prompt=prepared[0].prompt)
            bell = Bell()
            lanes = [
                self._dispatch.open(ask, one, client, notes=self._dispatch.beforehand(ask, one), label=label, bell=bell)
                for one, client, label in zip(prepared, clients, labels(ask, prepared), strict=True)
            ]
            warm_up([lane.connection.base_url for lane in lanes])
            painted = board(lanes)
            comparison = self._followed(ask, lanes, painted, keep, hold)
            if ask.judge:
                try:
                    comparison.judgement = self._judged(ask, prepared[0], comparison, painted, hold)
                except BaseException:
                    painted.leave(comparison)
                    raise
            painted.finish(comparison)
            return comparison

    def _followed(
        self, ask: Ask, lanes: Sequence[Lane], painted: Board, keep: Callable[[Comparison], None], hold: Hold
    ) -> Comparison:
        """The lanes read to their end, and what they leave."""

        def settle() -> None:
            for lane in lanes:
                if lane.running.done and lane.answer is None:
                    self._dispatch.settle(lane, hidden=ask.blind)

        def paint() -> None:
            settle()
            painted.paint()

        def left() -> Comparison:
            comparison = compared(ask, lanes, self._configuration.pictures)
            self._last = comparison, painted
            keep(comparison)
            return comparison

        try:
            follow(lanes, paint, hold)
        except BaseException as error:
            cancel(*(lane.running for lane in lanes))
            if not any(lane.sent for lane in lanes):
                painted.close()
                raise
            for lane in lanes:
                if lane.answer is None:
                    answer = lane.end(stopped_by(error))
                    if not ask.blind:
                        self._answers.keep(answer)
            painted.leave(left())
            raise
        settle()
        return left()

    def _judged(self, ask: Ask, asked: Prepared, comparison: Comparison, board: Board, hold: Hold) -> Judgement:
        """What a second model says of a comparison."""
        answers = {entry.label: entry.said for entry in comparison.entries if entry.said}
        if len(answers) < 2:
            return Judgement(ask.judge, ask.criteria, ())
        orders, bell = judge.orders(list(answers)), Bell()
        # As it was sent, with its values; a key that was sent with leave was not meant for one more host.
        question = asked.connection.answer_redactor.text(str(asked.body["messages"][-1]["content"]))
        asks = [
            Ask(
                prompt=judge.prompt(question, answers, order, ask.criteria),
                models=(ask.judge,),
                tools=(),
                output="json",
                raw=True,
                allow_secret=True,  # what the answers hold was looked at when the question was sent
            )
            for order in orders
        ]
        prepared = [self._preparing.one(one, {}) for one in asks]
        clients = [self._dispatch.client(one) for one in prepared]
        lanes = [
            self._dispatch.open(one, request, client, bell=bell)
            for one, request, client in zip(asks, prepared, clients, strict=True)
        ]
        began = time.monotonic()
        try:
            follow(lanes, lambda: board.judging(ask.judge, time.monotonic() - began), hold)
        except BaseException:
            cancel(*(lane.running for lane in lanes))
            raise
        for lane in lanes:
            self._dispatch.learn(lane)
        rounds = tuple(round_of(lane, order) for lane, order in zip(lanes, orders, strict=True))
        itself = [e.label for e in comparison.entries if e.label in answers and is_from(e.answer, lanes[0])]
        unjudged = [entry.label for entry in comparison.entries if entry.label not in answers]
        return Judgement(ask.judge, ask.criteria, rounds, tuple(itself), tuple(unjudged))

    def vote(self, choice: str) -> Comparison:
        """Say which answer of the last blind comparison is best: its letter, ``tie``, or ``none``.

        Raises:
            UserMistake: there is nothing to vote on, or no such answer.
        """
        if self._last is not None and (voted := self._last[0].voted) is not None:
            raise PromptError(f"you have voted on this comparison: {voted}. Another %%llm … --blind makes the next.")
        if self._last is None or not self._last[0].blind:
            raise PromptError("there is no blind comparison to vote on: %%llm -m MODEL MODEL --blind makes one.")
        return self.vote_on(*self._last, choice)

    def vote_on(self, comparison: Comparison, board: Board, choice: str) -> Comparison:
        """The same for the comparison that a board shows, which may be an earlier one.

        Raises:
            UserMistake: there is no such answer.
        """
        winner = comparison.chosen(choice)
        models = [model_name(entry.answer) for entry in comparison.entries if entry.eligible]
        try:
            if comparison.counts:
                votes.cast(models, winner)
        except OSError as error:
            raise ConfigError(f"the vote cannot be kept ({error.strerror}); set LLM_MAGICS_DIR to a folder.") from None
        comparison.open(choice)
        for entry in comparison.entries:
            self._answers.keep(entry.answer)
        board.reveal(comparison)
        return comparison
