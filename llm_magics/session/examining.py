"""A check of a model's endpoint within a session: what is checked, and what prompts learn from it."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from llm_magics.config import flatten
from llm_magics.configuration import Configuration
from llm_magics.errors import MissingKey
from llm_magics.following import watch
from llm_magics.interrupts import held
from llm_magics.lanes import redacted
from llm_magics.magic_lines import serve_again
from llm_magics.manager import connection_for
from llm_magics.refusals.capabilities import Capabilities
from llm_magics.runtime import Running, Runtime, cancel
from llm_magics.secrets import NO_KEY, Secret

if TYPE_CHECKING:
    from llm_magics.doctor.checkup import Checkup, Patient


class Examining:
    """Checks endpoints."""

    def __init__(self, runtime: Runtime, configuration: Configuration, capabilities: Capabilities) -> None:
        self._runtime, self._configuration, self._capabilities = runtime, configuration, capabilities

    def check(self, name: str | None, paint: Callable[[Checkup, float], None]) -> Checkup:
        """Find out what does not work with a model's endpoint, and learn from it for the prompts to come.

        ``paint`` is given the check as far as it has come, and how many seconds the present probe has taken.

        Raises:
            UserMistake: nothing was tried.
            KeyboardInterrupt: someone stopped it.
        """
        with held() as hold:
            with hold.opened():
                checkup, running = self.begin(name)
            try:
                watch(running, lambda: paint(checkup, time.monotonic() - checkup.probing), hold)
            except BaseException:
                cancel(running)
                raise
            finally:
                self.learn_from(checkup)
        if running.error is not None:
            raise running.error
        return checkup

    def begin(self, name: str | None = None) -> tuple[Checkup, Running]:
        """A check that goes on by itself; whoever began it tells `learn_from` when it is over.

        Raises:
            UserMistake: nothing was tried.
        """
        from llm_magics.doctor.checkup import Checkup
        from llm_magics.doctor.course import examine

        checkup = Checkup(self._patient(name or self._configuration.model()[0]))
        return checkup, self._runtime.stream(examine(checkup))

    def learn_from(self, checkup: Checkup) -> None:
        """Keep for prompts what a check found out."""
        place = checkup.base_url, checkup.patient.model
        self._capabilities.learn(*place, redacted(checkup.learnt, checkup.connection))
        self._capabilities.unlearn(*place, checkup.taken)

    def _patient(self, name: str) -> Patient:
        from llm_magics.doctor.checkup import Patient

        settings = flatten(self._configuration.resolve(name))
        lacks_key = False
        try:
            connection = self._configuration.connection(name)
        except MissingKey:  # its address can be looked at all the same
            lacks_key = True
            without = {**settings, "base_url": self._configuration.base_url(name), "api_key": Secret(NO_KEY)}
            connection = connection_for(name, without)
        served = self._configuration.served.at(connection.base_url)
        return Patient(
            connection=connection,
            model=settings.get("model") or name,
            key=self._configuration.key_state(name),
            lacks_key=lacks_key,
            name=name,
            settings=settings,
            again=serve_again(served.path) if served is not None and served.has_ended() else "",
        )
