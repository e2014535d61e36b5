"""What a comparing cell leaves behind: answers by name, as rows, side by side, and what can be asked of them."""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from llm_magics.comparisons import charts, columns, exports
from llm_magics.comparisons.agreement import Agreement, agreement
from llm_magics.comparisons.columns import Column, Section, Table
from llm_magics.comparisons.differences import difference
from llm_magics.comparisons.side_by_side import Difference, Kind
from llm_magics.comparisons.stats import Stats, stats
from llm_magics.errors import CallFailed, LLMError, PromptError, UnknownAnswer, cut, did_you_mean, short
from llm_magics.events import Answer, Cost
from llm_magics.judge import Judgement
from llm_magics.pictures import BLOCKED, Pictures
from llm_magics.printable import clean
from llm_magics.renderers.text import calls
from llm_magics.safe.html import safe_bundle
from llm_magics.safe.markdown import escape
from llm_magics.tables import page_table, plain_table
from llm_magics.usage import Tokens
from llm_magics.view import View, view_of
from llm_magics.votes import NONE, TIE

if TYPE_CHECKING:
    import pandas
    from openai.types.chat import ChatCompletionMessage

SHORTEST = 0.05  # seconds of streaming below which a rate says nothing
HIDDEN = ("this one failed; why is told after the vote",)


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One answer of a comparison.

    Attributes:
        label: what it is called on the page: the model's name, ``name #2`` where it was asked several times, a letter
            where names are hidden.
        answer: what the model left behind, whole or not.
        repeat: which answer of this model it is, from 1.
        failure: why it is not whole; None where nothing failed.
        cost: None where no price is known.
        pictures: from where a page may load some.
    """

    label: str
    answer: Answer
    repeat: int = 1
    failure: LLMError | None = None
    cost: Cost | None = None
    pictures: Pictures = BLOCKED

    def __repr__(self) -> str:
        """Nothing that tells who answered, as names may be hidden."""
        return f"Entry({self.label!r}, {self.answer.status})"

    @property
    def said(self) -> str:
        """The answer's text; where there is none, its tool calls, one a line."""
        return self.answer.text or "\n".join(calls(view_of(self.answer.message)))

    @property
    def answered(self) -> bool:
        """Whether there is anything of an answer."""
        return self.answer.status != "failed" and (self.answer.status != "interrupted" or bool(self.said))

    @property
    def eligible(self) -> bool:
        """Whether it can be voted for, or against: who failed or was stopped has not lost."""
        return self.answer.status not in ("failed", "interrupted")

    @property
    def tokens_per_second(self) -> float | None:
        """Tokens of the answer by the seconds from its first one to its end; of all seconds where it came at once."""
        count, timing = Tokens.of(self.answer.usage).output, self.answer.timing
        if not count or self.answer.timing.total <= 0:
            return None
        streamed = timing.total - (timing.first_token or 0.0)
        return count / (streamed if streamed >= SHORTEST else timing.total)


class Comparison(Mapping[str, Any]):
    """Answers to one prompt by several models, or several by one.

    ``comparison["gpt"]`` is a model's message, an ``openai`` ``ChatCompletionMessage``; a list of them where it was
    asked several times. As long as a blind comparison has no vote, models go by letters.

    Attributes:
        prompt: what was asked.
        entries: one for each answer, in the order they are shown.
        blind: whether the names are still hidden.
        judgement: what a judge said; None where none was asked.
        voted: what the vote was: a label, ``tie`` or ``none``; None without one.
    """

    def __init__(self, prompt: str, entries: Sequence[Entry], *, blind: bool = False) -> None:
        self.prompt = prompt
        self.entries = tuple(entries)
        self.blind = blind
        self.judgement: Judgement | None = None
        self.voted: str | None = None

    @property
    def names(self) -> list[str]:
        """What its answers are found by."""
        return list(dict.fromkeys(self._name(entry) for entry in self.entries))

    def __getitem__(self, name: str) -> ChatCompletionMessage | list[ChatCompletionMessage]:
        found = [entry for entry in self.entries if self._name(entry) == name]
        if len(found) > 1:
            return [entry.answer.message for entry in found]
        return self.entry(name).answer.message

    def __iter__(self) -> Iterator[str]:
        return iter(self.names)

    def __len__(self) -> int:
        return len(self.names)

    def __repr__(self) -> str:
        states = ", ".join(f"{entry.label}: {entry.answer.status}" for entry in self.entries)
        return f"Comparison({short(self.prompt, 50)}, {states})"

    def entry(self, name: str) -> Entry:
        """An answer by its name, or by its label where a model was asked several times.

        Raises:
            UnknownAnswer: there is none of that name.
        """
        for entry in self.entries:
            if name in (entry.label, self._name(entry)):
                return entry
        known = list(dict.fromkeys([*self.names, *(entry.label for entry in self.entries)]))
        hint = did_you_mean(str(name), known)
        raise UnknownAnswer(f"{short(name)} is not in this comparison.{hint} Known: {', '.join(known)}")

    def chosen(self, choice: str) -> str:
        """The model that a vote is for, or ``tie``, or ``none``.

        Raises:
            UserMistake: there is no such answer.
        """
        word = choice.strip().casefold()
        if word in (TIE, NONE):
            return word
        for entry in self.entries:
            if word == entry.label.casefold() and entry.eligible:
                return model_name(entry.answer)
        words = self.ballot
        raise PromptError(f"vote for one of {', '.join(words)}: %llm_vote {words[0]}.")

    @property
    def ballot(self) -> list[str]:
        """What can be voted for: letters, a tie, none."""
        return [*(entry.label for entry in self.entries if entry.eligible), TIE, NONE]

    @property
    def counts(self) -> bool:
        """Whether a vote says anything of a model: not where fewer than two answered."""
        return sum(entry.eligible for entry in self.entries) > 1

    def open(self, choice: str) -> None:
        """Show the names from now on, and what the vote was."""
        word = choice.strip().casefold()
        self.blind, self.voted = False, word if word in (TIE, NONE) else word.upper()

    def rows(self) -> list[dict[str, Any]]:
        """One dictionary for each answer: what was said, how long it took, in seconds, and what it cost, in dollars.

        What is hidden until a vote is None.
        """
        return [self._row(entry) for entry in self.entries]

    def _row(self, entry: Entry) -> dict[str, Any]:
        answer, tokens = entry.answer, Tokens.of(entry.answer.usage)
        shown = {
            "label": entry.label,
            "model": answer.model,
            "repeat": entry.repeat,
            "host": answer.host,
            "status": answer.status,
            "finish_reason": answer.finish_reason,
            "first_token": answer.timing.first_token,
            "seconds": answer.timing.total,
            "tokens_per_second": entry.tokens_per_second,
            "tokens_in": tokens.input,
            "tokens_out": tokens.output,
            "tokens_reasoning": tokens.reasoning,
            "cost": entry.cost.amount if entry.cost else None,
            "currency": "USD" if entry.cost else None,
            "text": entry.said,
            "error": "\n".join(failure_lines(entry.failure)) or None,
        }
        open_ = ("label", "repeat", "status", "text")
        return {key: value if not self.blind or key in open_ else None for key, value in shown.items()}

    def to_df(self) -> pandas.DataFrame:
        """`rows` as a pandas ``DataFrame``."""
        return exports.frame(self.rows())

    def diff(
        self, one: str | None = None, other: str | None = None, *, kind: Kind | Literal["auto"] = "auto", **options: Any
    ) -> Difference:
        """What differs between two answers, side by side; between the first two where none is named.

        Prose is compared by words, code by its syntax, JSON by its fields, and numbers within a tolerance: ``kind`` and
        ``tolerance`` are those of `differences.difference`.

        Raises:
            UnknownAnswer: there is none of that name.
            PromptError: there is nothing to compare with.
        """
        if one is None or other is None:
            named = one if other is None else other
            besides = None if named is None else self.entry(named)
            labels = [entry.label for entry in self.entries if entry is not besides and entry.answered]
            if len(labels) < (2 if named is None else 1):
                raise PromptError("diff() compares two answers, and there are not so many.")
            one, other = (labels[0], labels[1]) if named is None else (one or labels[0], other or labels[0])
        left, right = self.entry(one), self.entry(other)
        for name, entry in ((one, left), (other, right)):
            if not entry.answered:
                raise PromptError(f"{short(name)} gave no answer that could be compared.")
        return difference(left.said, right.said, kind=kind, names=(one, other), **options)

    def stats(self) -> Stats:
        """A row a model: answers counted, times as medians, tokens and costs as sums, how far its answers agree."""
        return stats(self.rows())

    def agreement(self, name: str | None = None) -> Agreement:
        """Which answers are equal, what share of them, and what varies: those of one model, or all of them."""
        wanted = [entry for entry in self.entries if name is None or name in (entry.label, self._name(entry))]
        if name is not None and not wanted:
            self.entry(name)  # which says what there is instead
        return agreement([entry.said for entry in wanted if entry.answered])

    def plot(self) -> Any:
        """Seconds, tokens and cost as bars: a figure of matplotlib, else a chart of altair.

        Raises:
            UserMistake: neither is installed, or the names are hidden until a vote.
        """
        if self.blind:
            raise PromptError("what each answer took is hidden until the vote: %llm_vote A.")
        return charts.plot(self.rows())

    def save(self, path: str | Path) -> Path:
        """Write it to a file of the kind its name ends with: ``.csv``, ``.json``, ``.html`` or ``.md``.

        Raises:
            UserMistake: there is no such kind, no such folder, or no way to write there.
        """
        return exports.save(self.rows(), path, prompt=self.prompt)

    def _name(self, entry: Entry) -> str:
        return entry.label if self.blind else entry.answer.model

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, Any]:
        foot = [*(page_table(*table) for table in self._scores()), *(f"*{escape(line)}*" for line in self._foot())]
        table = self.stats().table() if self._repeats else self.table()
        page = columns.page(self.columns(), table=table, foot="\n\n".join(foot))
        return safe_bundle({"text/markdown": page, "text/plain": self.plain()})

    def plain(self, most: int = columns.MAX_PLAIN) -> str:
        """All of it in plain text."""
        foot = "\n".join([*(plain_table(*table) for table in self._scores()), *self._foot()])
        return columns.plain(self.columns(), table=self.table(), foot=foot, most=most)

    def summary(self) -> str:
        """What is said below all answers, with the facts of each, in plain text."""
        facts = self.table()
        tables = [*([facts] if facts else []), *self._scores()]
        agreed = [clean(f"{column.label}: {' · '.join(column.facts)}") for column in self.columns() if self._repeats]
        return "\n".join([*(f"{plain_table(*table)}\n" for table in tables), *agreed, *self._foot()]).strip("\n")

    def _scores(self) -> list[Table]:
        return [self.judgement.table()] if self.judgement and self.judgement.scores else []

    def _foot(self) -> list[str]:
        """What is said below all answers."""
        if self.blind:
            return [f"Which is best? %llm_vote {'|'.join(self.ballot)}"]
        uncounted = "" if self.counts else " (not counted: fewer than two answered)"
        said = [f"Your vote: {self.voted}{uncounted}"] if self.voted else []
        if self.judgement is None:
            return said
        judged = f"Judged by {self.judgement.judge}: {self.judgement.criteria}"
        if not self.judgement.rounds:
            return [*said, f"{judged} – not judged: there are fewer than two answers"]
        return [*said, judged, *self.judgement.remarks()]

    def columns(self) -> list[Column]:
        """What is shown of each: an answer a column, or all answers of a model that was asked several times."""
        if not self._repeats:
            return [self._column(entry) for entry in self.entries]
        return [grouped(name, [e for e in self.entries if e.answer.model == name]) for name in self.names]

    @property
    def _repeats(self) -> bool:
        return any(entry.repeat > 1 for entry in self.entries)

    def _column(self, entry: Entry) -> Column:
        view = seen(entry.answer, entry.failure)
        failure = tuple(failure_lines(entry.failure))
        view = replace(view, pictures=entry.pictures)
        if self.blind:
            view, failure = blinded(view), HIDDEN if failure else ()
        return Column(self._heading(entry), () if self.blind else facts(entry), (Section(view, failure),))

    def _heading(self, entry: Entry) -> str:
        return entry.label if self.blind or self.voted is None else f"{entry.label}: {entry.answer.model}"

    def table(self) -> Table | None:
        """The facts of all answers as a table; nothing while they are hidden."""
        if self.blind:
            return None
        head = ["model", "first token", "total", "tokens/s", "in", "out", "reasoning", "cost", "finished"]
        return head, [[self._heading(entry), *_cells(entry)] for entry in self.entries]


def facts(entry: Entry) -> tuple[str, ...]:
    """What stands in small below a model's name."""
    answer, tokens = entry.answer, Tokens.of(entry.answer.usage)
    rate, first = entry.tokens_per_second, answer.timing.first_token
    counted = f"{_number(tokens.input)} → {_number(tokens.output)} tokens" if answer.usage else "tokens not told"
    reasoned = f" ({tokens.reasoning:,} reasoning)" if tokens.reasoning else ""
    parts = [
        f"{first:.2f} s to the first token" if first is not None else "",
        f"{answer.timing.total:.2f} s",
        f"{rate:.0f} tokens/s" if rate else "",
        counted + reasoned,
        str(entry.cost) if entry.cost else "no price",
        answer.finish_reason or answer.status,
    ]
    return tuple(part for part in parts if part)


def grouped(name: str, entries: Sequence[Entry]) -> Column:
    """A column of one model's answers, equal ones together, the most frequent first."""
    answered = [entry for entry in entries if entry.answered]
    found = agreement([entry.said for entry in answered])
    sections = []
    for group in found.groups:
        first = next(answered[place] for place in group.members if answered[place].said == group.text)
        view = replace(seen(first.answer, first.failure), pictures=first.pictures)
        ways = f" (written in {group.spellings} ways)" if group.spellings > 1 else ""
        head = f"{group.count} of {len(entries)}{ways}"
        sections.append(Section(view, tuple(failure_lines(first.failure)), head))
    sections += [
        Section(View(), tuple(failure_lines(entry.failure)), f"{entry.label}: {entry.answer.status}")
        for entry in entries
        if not entry.answered
    ]
    seconds = [entry.answer.timing.total for entry in answered]
    tokens = [Tokens.of(entry.answer.usage).output for entry in answered]
    told = [count for count in tokens if count is not None]
    costs = [entry.cost.amount for entry in answered if entry.cost]
    parts = (
        f"{len(entries)} times",
        f"{found.share:.0%} agree" if found.share is not None and len(answered) > 1 else "",
        found.varies if len(found.groups) > 1 else "",
        f"median {statistics.median(seconds):.2f} s" if seconds else "",
        f"{sum(told):,} tokens" if told and len(told) == len(answered) else "",
        str(Cost(amount=sum(costs), source="sum")) if costs and len(costs) == len(answered) else "no price",
    )
    return Column(name, tuple(part for part in parts if part), tuple(sections))


def _cells(entry: Entry) -> list[str]:
    answer, tokens = entry.answer, Tokens.of(entry.answer.usage)
    first, rate = answer.timing.first_token, entry.tokens_per_second
    return [
        f"{first:.2f} s" if first is not None else "–",
        f"{answer.timing.total:.2f} s",
        f"{rate:.0f}" if rate else "–",
        *map(_number, (tokens.input, tokens.output, tokens.reasoning)),
        str(entry.cost) if entry.cost else "no price",
        answer.finish_reason or answer.status,
    ]


def seen(answer: Answer, failure: LLMError | None) -> View:
    """What an answer looks like; where nothing came, only its notes, as its failure is told beside it."""
    view = view_of(answer.message, answer)
    return View(notes=view.notes) if failure is not None and view.empty else view


def model_name(answer: Answer) -> str:
    """A model as votes name it: its name here, and what its endpoint was asked for, where that differs."""
    asked = str(answer.request.get("model") or answer.model)
    return cut(answer.model if asked == answer.model else f"{answer.model} ({asked})", 200)


def blinded(view: View) -> View:
    """What may be seen of an answer before the vote: no notes, which may name its model, and no mark."""
    return View(reasoning="", text=view.text, refusal=view.refusal, calls=view.calls, output=view.output)


def failure_lines(failure: LLMError | None) -> list[str]:
    """What a failure says, line by line."""
    if failure is None:
        return []
    return failure.lines() if isinstance(failure, CallFailed) else [str(failure)]


def _number(count: int | None) -> str:
    return "?" if count is None else f"{count:,}"
