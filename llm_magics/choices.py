"""What can be chosen: models with where they are asked, what for, and whether their keys are there."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

from llm_magics.config import host_of
from llm_magics.configuration import Configuration, is_demo
from llm_magics.endpoints import providers
from llm_magics.errors import ConfigError
from llm_magics.manager import Connection
from llm_magics.secrets import Secret, redactor_of


@dataclass(frozen=True, slots=True)
class Choice:
    """One model that can be chosen.

    Attributes:
        note: what is in the way, in a few words; empty where nothing is.
    """

    name: str
    asks_for: str
    where: str
    note: str = ""

    def matches(self, wanted: str) -> bool:
        """Whether all words that someone searches for are in it."""
        text = f"{self.name} {self.asks_for} {self.where}".casefold()
        return all(word in text for word in wanted.casefold().split())


def choices(here: Configuration, listed: Mapping[str, Iterable[str]], chosen: str = "") -> list[Choice]:
    """Every model there is, those of one endpoint together: at hand, listed by endpoints, then providers without a key.

    ``listed`` are the models that endpoints themselves name. Nobody is asked anything.
    """
    at_hand = here.at_hand()
    builtin = [provider.name for provider in providers.providers() if provider.name not in at_hand]
    found: dict[str, Choice] = {}
    for name in [*at_hand, *builtin]:
        found[name] = choice = _choice(here, name, keyless=name in builtin)
        for other in listed.get(name, ()):  # thousands, of which nothing but the name differs
            if (longer := f"{name}/{other}") not in at_hand:
                found[longer] = replace(choice, name=longer, asks_for=other)
    if chosen and chosen not in found:
        found[chosen] = _choice(here, chosen, keyless=False)
    by_place: dict[str, list[Choice]] = {}
    for choice in found.values():
        by_place.setdefault(choice.where, []).append(choice)
    return [choice for together in by_place.values() for choice in together]


def _choice(here: Configuration, name: str, *, keyless: bool) -> Choice:
    # Keyless is in the environment: a key store, which may be slow or ask, is not looked into for each.
    note = "no key" if keyless else "key missing" if here.key_state(name).startswith("missing") else ""
    return Choice(name, asks_for(here, name), where(here, name), note)


def listed_by_endpoints(here: Configuration) -> dict[str, list[str]]:
    """What the endpoints of the models at hand name, and local servers; asks them."""
    return {name: listed or [] for name, listed in listings(here, here.find_local_servers()).items()}


def listings(here: Configuration, running: Mapping[str, list[str]]) -> dict[str, list[str] | None]:
    """The same, where ``running`` is what local servers have said; None for one that was asked and did not say.

    Those that are not to be asked have no models.
    """
    found: dict[str, list[str] | None] = {name: running.get(name, []) for name in here.at_hand()}
    asked: dict[str, Connection] = {}

    def each() -> Iterator[tuple[str, str, Secret]]:
        """One after the other, as a key may have to be waited for."""
        for name in found:
            if name not in running and (connection := _connection(here, name)) is not None:
                asked[name] = connection
                yield name, connection.base_url, connection.api_key

    for name, listed in providers.list_each(each()).items():
        found[name] = asked[name].redactor.value(listed)
    return redactor_of(here.known_keys()).value(found)  # type: ignore[no-any-return] # one may know another's key


def _connection(here: Configuration, name: str) -> Connection | None:
    """Where an endpoint is asked; None for one that has no list of its own, or that a key is missing for."""
    if is_demo(name) or here.served.is_one(name) or here.key_state(name).startswith("missing"):
        return None
    try:
        return here.connection(name)
    except ConfigError:
        return None


def asks_for(here: Configuration, name: str) -> str:
    """The server's name for a model."""
    found = here.resolve(name)
    return str(found["model"].value) if "model" in found else name


def where(here: Configuration, name: str) -> str:
    """The host where a model is asked, for people to read."""
    return "this machine (built in)" if is_demo(name) else host_of(here.base_url(name))
