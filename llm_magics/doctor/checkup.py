"""One check of an endpoint: what its probes may ask for, how they say what they found, what was learnt."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal

from llm_magics.config import host_of
from llm_magics.doctor import reach
from llm_magics.doctor.reach import Asked, Page
from llm_magics.endpoints.providers import ids_in
from llm_magics.errors import CallFailed, PromptTooLong, RateLimited, TimedOut
from llm_magics.faults import explain
from llm_magics.manager import Connection, connect_async
from llm_magics.printable import short_line
from llm_magics.refusals.adapt import Finding, fitted
from llm_magics.refusals.ladder import RUNGS

if TYPE_CHECKING:
    from openai import AsyncOpenAI

Mark = Literal["✓", "✗", "–", "…"]
TOKENS = 50  # the most that one answer may have
MOST_REQUESTS = 12  # for answers; refusals, which cost nothing, are among them
CAP = 30.0  # seconds for one answer, where the model's own timeout is not shorter
ARRIVING = 10.0  # seconds to find a host, to connect, and for a list of models
SAID = 140  # characters of what an endpoint said
NOTHING = "Nothing to do: {}."
BY_CHECK = "--check"


@dataclass(frozen=True, slots=True)
class Row:
    """What one probe found.

    Attributes:
        name: the probe's.
        mark: fine, wrong, not tried, or under way.
        detail: what was found, or why it was not tried; one line, safe to print.
        remedy: what to do about it, where it is wrong.
        handled: whether prompts get along all the same.
    """

    name: str
    mark: Mark
    detail: str = ""
    remedy: str = ""
    handled: bool = False


@dataclass(slots=True)
class Patient:
    """What is checked: an endpoint, a model there, and what prompts would send besides.

    Attributes:
        model: the server's name for it.
        key: where the key comes from, in words that do not hold it.
        lacks_key: whether it is known beforehand that a key is needed and there is none.
        name: what the user calls it.
        settings: everything that is set for it.
        again: how its server is started again, where that is known to have ended.
    """

    connection: Connection
    model: str
    key: str
    lacks_key: bool = False
    name: str = ""
    settings: Mapping[str, Any] = field(default_factory=dict)
    again: str = ""


class Checkup:
    """One check, while it runs and afterwards.

    Attributes:
        rows: what was found so far, in the order of the probes; the last one may be under way.
        learnt: what the endpoint does not take, by the ladder's name for it.
        requests: how many requests for answers went out.
        tokens: how many tokens the endpoint said that these took.
        probing: ``time.monotonic()`` when the present probe began.
    """

    def __init__(self, patient: Patient) -> None:
        self.patient = patient
        self.connection = patient.connection
        self.base_url = patient.connection.base_url
        self.host = host_of(self.base_url)
        self.rows: list[Row] = []
        self.learnt: dict[str, Finding] = {}
        self._taken: set[str] = set()
        self.requests = 0
        self.tokens = 0
        self.stopped = ""  # why nothing further is tried
        self.probing = time.monotonic()
        self.streams = False
        self.timed_out = 0
        self.server = ""
        self.place = reach.place_of(self.base_url)
        self.knocked = 0.0
        self._client: AsyncOpenAI | None = None
        self._listing: Page | None = None
        self._plain: Asked | None = None
        self._streamed: Asked | None = None

    @property
    def taken(self) -> set[str]:
        """What the endpoint was seen to take, by the ladder's names."""
        return self._taken - set(self.learnt)

    def begin(self) -> None:
        """Make the client; on the event loop, where an interrupt does not hit the SDK's import."""
        self._client = connect_async(self.connection)

    # ------------------------------------------------------------ what probes ask for

    @property
    def seconds(self) -> float:
        """The patience with one answer."""
        return min(self.connection.clocks.first_token, CAP)

    @property
    def arriving(self) -> float:
        """The patience with one step of getting there."""
        return min(self.connection.clocks.first_token, ARRIVING)

    async def get(self, url: str) -> Page:
        """A page of this endpoint."""
        assert self._client is not None
        return await reach.get(self._client, url, self.arriving)

    async def listing(self) -> Page:
        """What the endpoint gives as its list of models."""
        if self._listing is None:
            self._listing = await self.get(f"{self.base_url.rstrip('/')}/models")
        return self._listing

    async def models(self) -> list[str] | None:
        """The models it lists; None where it has no such list."""
        page = await self.listing()
        return ids_in(page.json) if page.status == 200 else None

    async def plain(self) -> Asked:
        """A short answer, whole."""
        if self._plain is None:
            self._plain = await self.ask("Say hello.", stream=None)
        return self._plain

    async def streamed(self) -> Asked:
        """A somewhat longer one, as a stream."""
        if self._streamed is None:
            self._streamed = await self.ask("Count from one to twenty, in words.", stream=True)
            self.streams = self._streamed.error is None and "streaming" not in self.learnt
        return self._streamed

    async def ask(self, prompt: str, *, system: str = "", stream: bool | None = False, **params: Any) -> Asked:
        """An answer to this prompt; as a stream where that is known to work, unless ``stream`` says otherwise."""
        assert self._client is not None
        messages = [{"role": "system", "content": system}] if system else []
        body: dict[str, Any] = {"model": self.patient.model, "max_tokens": TOKENS, **params}
        body["messages"] = [*messages, {"role": "user", "content": prompt}]
        if stream or (stream is False and self.streams):
            body |= {"stream": True, "stream_options": {"include_usage": True}}
        asked = await reach.ask(self._client, fitted(body, list(self.learnt)), self.seconds)
        self._count(asked)
        return asked

    def _count(self, asked: Asked) -> None:
        plan, usage = asked.outcome.plan, asked.outcome.reply.usage or {}
        self.requests += plan.attempts
        counts = [usage.get(key) for key in ("total_tokens", "prompt_tokens", "completion_tokens")]
        total, *parts = [count if isinstance(count, int) and 0 <= count < 10**9 else 0 for count in counts]
        self.tokens += total or sum(parts)
        if asked.error is None:
            found = {name: replace(finding, found_by=BY_CHECK) for name, finding in plan.learnt.items()}
            self.learnt.update(found)
            self._taken |= {rung.name for rung in RUNGS if rung.applies(plan.body)} - set(found)
        if self.requests >= MOST_REQUESTS:
            self.stopped = self.stopped or "enough was asked"

    # ------------------------------------------------------------ what probes say

    def said(self, text: str) -> str:
        """What an endpoint said, as it may be shown: one line, short, without keys."""
        return short_line(self.connection.redactor.text(text), SAID)

    def failure(self, asked: Asked) -> CallFailed:
        """What went wrong with a request, as a prompt would tell it."""
        assert asked.error is not None
        return explain(asked.error, name=self.patient.name, where="", outcome=asked.outcome, connection=self.connection)

    def failed(self, asked: Asked, todo: str = "") -> Row:
        """The row of a probe whose request went wrong."""
        failure = self.failure(asked)
        self.timed_out += isinstance(failure, TimedOut)
        if isinstance(failure, TimedOut):
            todo = self.slow_todo()
        elif isinstance(failure, PromptTooLong):
            todo = "Give the model a larger context: a check's prompts are short."
        if isinstance(failure, RateLimited):
            self.stopped = "no more requests are allowed for now"
        elif self.timed_out > 1:
            self.stopped = "it is too slow"
        move = "The server's log may know why." if "--dry-run" in failure.next_move else failure.next_move
        return self.wrong(failure.what, todo or move)

    def fine(self, detail: str = "") -> Row:
        """The row of a thing that works."""
        return Row("", "✓", self.said(detail))

    def wrong(self, detail: str, todo: str, *, stop: str = "", handled: bool = False) -> Row:
        """The row of a thing that does not; ``stop`` says why nothing further is to be tried."""
        self.stopped = self.stopped or stop
        return Row("", "✗", self.said(detail), self.said(todo), handled)

    def refused(self, name: str, todo: str = "") -> Row | None:
        """The row of a thing that the ladder found refused; None where it was not."""
        finding = self.learnt.get(name)
        if finding is None:
            return None
        said = f": “{self.said(finding.said)}”" if finding.said else ""
        return self.wrong(f"refused{said}", todo or NOTHING.format(finding.instead), handled=not todo)

    def slow_todo(self) -> str:
        """What to do about an answer that does not come."""
        if self.seconds < CAP:
            return "Allow more with %llm_config timeout=SECONDS."
        return "A model that is being loaded takes its time: check again in a minute."


def counted(number: int, what: str) -> str:
    """``1 token``, ``2 tokens``."""
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


def duration(seconds: float) -> str:
    """A time as people read it."""
    return f"{seconds:.1f} s" if seconds >= 0.95 else f"{seconds * 1000:.0f} ms"
