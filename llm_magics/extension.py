"""Registering with IPython and giving back: magics, the message formatter, tab completion."""

from __future__ import annotations

import re
import sys
from typing import TYPE_CHECKING, Any

from llm_magics.magics import LLMMagics

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

MESSAGE = ("openai.types.chat.chat_completion_message", "ChatCompletionMessage")
MAGICS = {"line": ("llm", "llm_config"), "cell": ("llm",)}


class Extension:
    """What one shell was given, and what stood there before."""

    def __init__(self, shell: InteractiveShell) -> None:
        self.shell = shell
        self.magics = LLMMagics(shell=shell, parent=shell)
        known = shell.magics_manager.magics
        self._before = {kind: {name: known[kind].get(name) for name in names} for kind, names in MAGICS.items()}
        self._formatter_by_type: tuple[Any, Any] = (None, None)
        self._formatter_by_name: Any = None
        self._completer: Any = None

    def load(self) -> None:
        """Register everything."""
        self.shell.register_magics(self.magics)
        self._register_formatter()
        self._completer = self._matcher()
        if self.shell.Completer is not None:
            self.shell.Completer.custom_matchers.append(self._completer)
        self.shell.input_transformers_cleanup.append(question_is_no_help_request)
        self.magics.observe(self._trait_was_set)

    def unload(self) -> None:
        """Give everything back."""
        for kind, names in self._before.items():
            for name, before in names.items():
                if before is None:
                    self.shell.magics_manager.magics[kind].pop(name, None)
                else:
                    self.shell.magics_manager.magics[kind][name] = before
        self._unregister_formatter()
        if self.shell.Completer is not None and self._completer in self.shell.Completer.custom_matchers:
            self.shell.Completer.custom_matchers.remove(self._completer)
        if question_is_no_help_request in self.shell.input_transformers_cleanup:
            self.shell.input_transformers_cleanup.remove(question_is_no_help_request)
        configurables: list[Any] = self.shell.configurables
        if self.magics in configurables:
            configurables.remove(self.magics)
        self.magics.unobserve_all()

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

    def _trait_was_set(self, change: Any) -> None:
        """``%config`` typed after ``%llm_config`` is the newer word: the older one gives way."""
        from llm_magics import session

        session.current().configuration.forget_setting(change["name"])

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


def question_is_no_help_request(lines: list[str]) -> list[str]:
    """``%llm Why is that?`` asks the model; IPython alone would take the last word and ``?`` for a wish for help."""
    if lines and lines[0].lstrip().startswith("%%"):
        return lines  # the body of a cell magic is nobody's code
    return [_as_call(line) for line in lines]


def _as_call(line: str) -> str:
    if not line.rstrip().endswith("?") or "%llm" not in line:
        return line
    # Compiled here, not at import: this is what ``%load_ext`` costs.
    question = re.fullmatch(r"(?P<head>\s*(?:%\w+\s+)?(?:[\w., ]+=\s*)?)%llm\s+(?P<prompt>\S.*\?)\s*", line)
    if question is None:
        return line
    return f"{question['head']}get_ipython().run_line_magic('llm', {question['prompt']!r})\n"


def _position(context: Any) -> int:
    """Where the cursor is in the whole text."""
    lines = context.full_text.split("\n")[: context.cursor_line]
    return sum(len(line) + 1 for line in lines) + int(context.cursor_position)


def mimebundle_of(message: Any, include: Any = None, exclude: Any = None) -> dict[str, str]:
    """How a ``ChatCompletionMessage`` looks as a cell's value, whoever made it."""
    from llm_magics import renderers, session
    from llm_magics.view import view_of

    return renderers.mimebundle(view_of(message, session.current().answer_for(message)))
