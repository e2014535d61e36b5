"""What would be sent for a prompt: its values filled in, its settings resolved, its tools found, no key in it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from llm_magics import contexts
from llm_magics.config import flatten, names_of
from llm_magics.configuration import Configuration
from llm_magics.endpoints.clocks import Clocks
from llm_magics.endpoints.request import messages_of, request_body
from llm_magics.errors import PromptError
from llm_magics.events import Ask
from llm_magics.interpolate import interpolate, ready
from llm_magics.key_shapes import shape_in, texts_in
from llm_magics.lanes import Prepared
from llm_magics.refusals.capabilities import Capabilities
from llm_magics.secrets import redactor_of
from llm_magics.toolbox import Offer, Toolbox

if TYPE_CHECKING:
    from llm_magics.manager import Connection

FORMATS = {
    "code": "Answer with a fenced code block.",
    "json": "Answer with one JSON value and nothing else.",
}


class Preparing:
    """Makes prompts into requests; nothing is sent."""

    def __init__(self, configuration: Configuration, capabilities: Capabilities, toolbox: Toolbox) -> None:
        self._configuration, self._capabilities, self._toolbox = configuration, capabilities, toolbox

    def one(self, ask: Ask, namespace: Mapping[str, Any]) -> Prepared:
        """What would be sent, and where to.

        Raises:
            UserMistake: a model, a setting or a prompt that cannot be used.
        """
        return self.all(ask, namespace)[0]

    def all(self, ask: Ask, namespace: Mapping[str, Any]) -> list[Prepared]:
        """The same for each of the models that are asked; what the prompt takes in is looked at once.

        Raises:
            UserMistake: as `one`, for any of them.
        """
        prompt, replaced = ready(ask.prompt if ask.raw else interpolate(ask.prompt, namespace, contexts.describe))
        with self._configuration.steady():
            names = ask.models or (self._configuration.model()[0],)
            return [self._prepared(ask, name, prompt, replaced, namespace) for name in names]

    def refitted(self, prepared: Prepared, body: Mapping[str, Any]) -> Prepared:
        """The same with another body, for the next round of a conversation: nothing is said a second time."""
        return replace(prepared, body=self._capabilities.fit(prepared.connection.base_url, body), notes=())

    def _prepared(self, ask: Ask, name: str, prompt: str, replaced: int, namespace: Mapping[str, Any]) -> Prepared:
        settings = {**flatten(self._configuration.resolve(name)), **ask.params}
        system = ask.system if ask.system is not None else settings.get("system")
        system = "\n\n".join(part for part in (system, FORMATS.get(ask.output)) if part)
        connection = self._configuration.connection(name)
        connection = replace(connection, clocks=Clocks.of(settings))
        body = request_body(name, settings, messages_of(prompt, system))
        stream = ask.stream if ask.stream is not None else settings.get("stream", True)
        if stream:
            body["stream"] = True
            body["stream_options"] = settings.get("stream_options") or {"include_usage": True}
        offer = self._offer(ask, settings, namespace)
        if offer.tools:
            body["tools"] = [tool.wire() for tool in offer.tools]
        if not ask.allow_secret:
            _check_for_keys(body, connection)
        count = "1 character" if replaced == 1 else f"{replaced:,} characters"
        notes: tuple[str, ...] = ()
        if replaced:
            notes = (f"{count} of the prompt cannot be sent, and became U+FFFD",)
        fitted = self._capabilities.fit(connection.base_url, body)
        if offer.tools and "tools" not in fitted:
            notes += ("this model takes no tools here: it was asked without them",)
        return Prepared(name, connection, fitted, (*notes, *offer.notes), settings, prompt, offer.tools)

    def _offer(self, ask: Ask, settings: Mapping[str, Any], namespace: Mapping[str, Any]) -> Offer:
        """The tools of a prompt; none where answers are compared, as each would act on its own."""
        names = ask.tools if ask.tools is not None else names_of(settings.get("tools"))
        if not names or not ask.compares:
            return self._toolbox.offer(names, namespace, of_session=ask.tools is None)
        return Offer(notes=("tools are left out where answers are compared",))


def _check_for_keys(body: Mapping[str, Any], connection: Connection) -> None:
    """Whatever a prompt takes in goes to somebody else, and into the notebook: a key is not meant to."""
    known = redactor_of([*connection.credentials, *connection.others], answers=True)
    for name, value in body.items():
        where = "the prompt" if name == "messages" else name
        for text in texts_in(value):
            shape = shape_in(text)
            if shape or known.text(text) != text:
                what = f"what looks like a key ({shape})" if shape else "one of your keys"
                raise PromptError(
                    f"{where} holds {what}: nothing was sent. Take it out, or send it as it is with --allow-secret."
                )
