"""Lanes of a session: how each is opened, what is said beforehand, what is learnt and kept at its end."""

from __future__ import annotations

from typing import TYPE_CHECKING

from llm_magics.config import host_of
from llm_magics.configuration import FOUND, Configuration
from llm_magics.errors import CallFailed, ConnectionFailed, CutOff
from llm_magics.events import Answer, Ask
from llm_magics.lanes import Lane, Prepared
from llm_magics.magic_lines import serve_again
from llm_magics.manager import connect_async, exposure
from llm_magics.refusals.capabilities import Capabilities
from llm_magics.remarks import other_model
from llm_magics.runtime import Bell, Runtime
from llm_magics.session.answers import Answers

if TYPE_CHECKING:
    from openai import AsyncOpenAI

    from llm_magics.manager import Connection


class Dispatch:
    """Opens lanes, and settles those that are over.

    Args:
        runtime: where exchanges run.
        configuration: knows which models were found, and which are served here.
        capabilities: learns from exchanges.
        answers: keeps what they leave behind.
    """

    def __init__(
        self, runtime: Runtime, configuration: Configuration, capabilities: Capabilities, answers: Answers
    ) -> None:
        self._runtime, self._configuration = runtime, configuration
        self._capabilities, self._answers = capabilities, answers
        self._introduced: set[str] = set()
        self._said: set[tuple[str, str]] = set()  # what is said once of an endpoint

    def client(self, prepared: Prepared) -> AsyncOpenAI:
        """Made on the loop's thread, where no interrupt hits the import of the SDK."""
        return self._runtime.call(lambda: connect_async(prepared.connection))

    def open(
        self,
        ask: Ask,
        prepared: Prepared,
        client: AsyncOpenAI,
        *,
        notes: tuple[str, ...] = (),
        label: str = "",
        bell: Bell | None = None,
    ) -> Lane:
        """Begin to ask; ``notes`` are told before anything of the answer."""
        return Lane(ask, prepared, client, self._runtime, notes=notes, label=label, bell=bell)

    def beforehand(self, ask: Ask, prepared: Prepared) -> tuple[str, ...]:
        """What is said before anything is asked."""
        host = host_of(prepared.connection.base_url)
        return (*self._introduction(ask, prepared.name, host), *self._exposure(prepared.connection))

    def learn(self, lane: Lane) -> None:
        """Keep for the prompts to come what the endpoint turned out not to take."""
        self._capabilities.learn(lane.connection.base_url, lane.model, lane.learnt)

    def settle(self, lane: Lane, *, hidden: bool = False) -> Answer:
        """What a lane that is over leaves behind; its notes are not kept while names are hidden, as they may tell."""
        self.learn(lane)
        answer = lane.end(notes=self._other_model(lane))
        if isinstance(lane.failure, CallFailed):
            lane.failure = self._told_of_its_end(lane.failure, lane.connection.base_url)
        return answer if hidden else self._answers.keep(answer)

    def _introduction(self, ask: Ask, name: str, host: str) -> list[str]:
        """Who was asked, said once of a server that nobody named: prompts go to whoever stands on that port."""
        if ask.models or name in self._introduced or self._configuration.model()[1] != FOUND:
            return []
        self._introduced.add(name)
        return [f"asked {name}, which was found running at {host}"]

    def _exposure(self, connection: Connection) -> list[str]:
        """That an endpoint is reached without encryption, said once of each."""
        said = exposure(connection)
        if said is None or connection.base_url in self._introduced:
            return []
        self._introduced.add(connection.base_url)
        return [said]

    def _told_of_its_end(self, failure: CallFailed, base_url: str) -> CallFailed:
        """A failure to reach a local model whose process is no more, told as that."""
        served = self._configuration.served.at(base_url)
        broken = isinstance(failure, ConnectionFailed | CutOff)  # the connection does so a moment before the process
        if served is None or not broken or not served.has_ended(within=1.0):
            return failure
        again = serve_again(served.path)
        end = f"the process that served {served.path.name} has ended ({served.obituary()})"
        if isinstance(failure, CutOff):
            failure.retell(f"The answer was cut off: {end}.", f"{failure.next_move} {again}")
        else:
            failure.retell(f"{end[0].upper()}{end[1:]}.", again)
        return failure

    def _other_model(self, lane: Lane) -> list[str]:
        """Said once of each: behind an alias there is another name every time."""
        said = other_model(str(lane.outcome.plan.body["model"]), lane.server_model)
        place = lane.connection.base_url
        if said is None or (place, said) in self._said:
            return []
        self._said.add((place, said))
        return [said]
