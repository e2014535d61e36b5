"""Registering with IPython and giving back: magics, the message formatter, tab completion."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from traitlets import TraitError

from llm_magics.cell_text import AsMeant
from llm_magics.magics import LLMMagics
from llm_magics.running import RunningCells

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

MESSAGE = ("openai.types.chat.chat_completion_message", "ChatCompletionMessage")
MAGICS = {"line": ("llm", "llm_config", "llm_vote"), "cell": ("llm",)}


class Extension:
    """What one shell was given, and what stood there before.

    Attributes:
        cells: those that are running.
    """

    def __init__(self, shell: InteractiveShell) -> None:
        self.shell = shell
        self.cells = RunningCells()
        self.magics = _magics(shell)
        known = shell.magics_manager.magics
        self._before = {kind: {name: known[kind].get(name) for name in names} for kind, names in MAGICS.items()}
        self._formatter_by_type: tuple[Any, Any] = (None, None)
        self._formatter_by_name: Any = None
        self._completer: Any = None
        self._as_meant = AsMeant(self.magics.llm)

    def load(self) -> None:
        """Register everything."""
        self.shell.register_magics(self.magics)
        self._register_formatter()
        self._completer = self._matcher()
        if self.shell.Completer is not None:
            self.shell.Completer.custom_matchers.append(self._completer)
        self.shell.input_transformers_cleanup.append(self._as_meant)
        self.shell.events.register("pre_run_cell", self.cells.begin)
        self.shell.events.register("post_run_cell", self.cells.end)
        if (known := sys.modules.get("llm_magics.session")) is not None:
            known.current().configuration.home  # noqa: B018 - what was set with %llm_config moves to these magics now
        self._tell_what_is_replaced()

    def unload(self) -> None:
        """Give everything back, except what somebody else has taken since."""
        for kind, names in self._before.items():
            known = self.shell.magics_manager.magics[kind]
            for name, before in names.items():
                if getattr(known.get(name), "__self__", None) is not self.magics:
                    continue
                if before is None:
                    del known[name]
                else:
                    known[name] = before
        self._unregister_formatter()
        if self.shell.Completer is not None and self._completer in self.shell.Completer.custom_matchers:
            self.shell.Completer.custom_matchers.remove(self._completer)
        if self._as_meant in self.shell.input_transformers_cleanup:
            self.shell.input_transformers_cleanup.remove(self._as_meant)
        for event, noted in (("pre_run_cell", self.cells.begin), ("post_run_cell", self.cells.end)):
            if noted in self.shell.events.callbacks[event]:
                self.shell.events.unregister(event, noted)
        configurables: list[Any] = self.shell.configurables
        if self.magics in configurables:
            configurables.remove(self.magics)
        self.magics.unobserve_all()

    def complain(self, mistake: str) -> None:
        """What `cell_text.as_meant` lets a cell do that could not be meant as it stands."""
        from IPython.core.error import UsageError

        raise UsageError(mistake)

    def _tell_what_is_replaced(self) -> None:
        """One line where another extension has a magic of the same name."""
        for kind, names in self._before.items():
            for name, before in names.items():
                if before is not None:
                    owner = getattr(before, "__module__", None) or "another extension"
                    magic = f"{'%%' if kind == 'cell' else '%'}{name}"
                    said = f"{magic} of {owner} is replaced; %unload_ext llm_magics gives it back."
                    print(said, file=sys.stderr)  # noqa: T201

    @property
    def _formatter(self) -> Any:
        return self.shell.display_formatter.mimebundle_formatter  # type: ignore[union-attr]

    def _register_formatter(self) -> None:
        """By the type's name, so that nothing is imported; one that stands by the type itself steps aside."""
        kind = getattr(sys.modules.get(MESSAGE[0]), MESSAGE[1], None)
        self._formatter_by_type = kind, self._formatter.type_printers.pop(kind, None)
        self._formatter_by_name = self._formatter.for_type_by_name(*MESSAGE, mimebundle_of)

    def _unregister_formatter(self) -> None:
        """Ours may stand by the type's name or, once the type was met, by the type."""
        by_type, by_name = self._formatter.type_printers, self._formatter.deferred_printers
        for kind in [kind for kind, formatter in by_type.items() if formatter is mimebundle_of]:
            del by_type[kind]
        if by_name.get(MESSAGE) is mimebundle_of:
            del by_name[MESSAGE]
        kind, before = self._formatter_by_type
        if before is not None:
            by_type[kind] = before
        if self._formatter_by_name is not None:
            by_name[MESSAGE] = self._formatter_by_name

    def _matcher(self) -> Any:
        from IPython.core.completer import SimpleCompletion, context_matcher

        @context_matcher()
        def llm_magics_matcher(context: Any) -> Any:
            from llm_magics.completion import complete

            found = complete(self.magics, context.full_text[: _position(context)])
            if found is None:
                return {"completions": []}
            names, fragment = found
            return {
                "completions": [SimpleCompletion(text=name, type="llm_magics") for name in names],
                "matched_fragment": fragment,
                "suppress": True,
            }

        return llm_magics_matcher


def _magics(shell: InteractiveShell) -> LLMMagics:
    """The magics with what the configuration sets; where that cannot be used they load all the same, and say so."""
    try:
        return LLMMagics(shell=shell, parent=shell)
    except TraitError as error:
        shell.configurables.pop()  # the one that was not finished
        magics = LLMMagics(shell=shell, parent=None)
        magics.mistake = str(error)
        return magics


def _position(context: Any) -> int:
    """Where the cursor is in the whole text."""
    lines = context.full_text.split("\n")[: context.cursor_line]
    return sum(len(line) + 1 for line in lines) + int(context.cursor_position)


def mimebundle_of(message: Any, include: Any = None, exclude: Any = None) -> dict[str, str]:
    """How a ``ChatCompletionMessage`` looks as a cell's value, whoever made it."""
    from llm_magics import renderers, session
    from llm_magics.safe.html import safe_bundle

    return safe_bundle(renderers.mimebundle(session.current().answers.view_of(message)))
