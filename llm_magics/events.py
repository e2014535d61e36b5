"""The small vocabulary that travels from the wire to the page.

``Ask`` is what the user asked, nothing resolved. The deltas are what arrives, in order. ``Answer`` is what is left.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from openai.types.chat import ChatCompletionMessage

OutputFormat = Literal["markdown", "text", "code", "json"]
Status = Literal["ok", "truncated", "filtered", "refused", "interrupted", "cut off", "failed"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """One prompt as it was typed: the text, the options given with it, nothing resolved."""

    prompt: str
    model: str | None = None
    system: str | None = None
    params: Mapping[str, Any] = field(default_factory=dict)
    to: str | None = None
    output: OutputFormat = "markdown"
    stream: bool | None = None
    raw: bool = False
    silent: bool = False


@dataclass(frozen=True, slots=True)
class TextDelta:
    """A further piece of the answer's text."""

    text: str


@dataclass(frozen=True, slots=True)
class ReasoningDelta:
    """A further piece of what the model says it thinks."""

    text: str


@dataclass(frozen=True, slots=True)
class RefusalDelta:
    """A further piece of the model's refusal."""

    text: str


@dataclass(frozen=True, slots=True)
class ToolCallDelta:
    """A further piece of a tool call: ``slot`` counts the calls of this answer from 0."""

    slot: int
    name: str
    arguments: str


@dataclass(frozen=True, slots=True)
class Note:
    """One quiet line about how the answer came about, for example what the endpoint made us change."""

    text: str


Event = TextDelta | ReasoningDelta | RefusalDelta | ToolCallDelta | Note


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """Seconds since the request went out; ``first_token`` is None when none came."""

    first_token: float | None = None
    total: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a prompt left behind; in a notebook it stands in ``_llm``.

    Attributes:
        message: the assistant message, an ``openai`` ``ChatCompletionMessage``.
        model: the name in the configuration; ``server_model`` is what the endpoint says it ran.
        status: ``ok``, or why the answer is not whole.
        finish_reason: as the endpoint gave it; None when none arrived.
        usage: token counts as the endpoint gave them (``prompt_tokens``, ``completion_tokens`` …), or None.
        timing: seconds to the first token and in total.
        notes: what was adapted to make the endpoint answer, in words.
        request: the request body as it was last sent.
    """

    message: ChatCompletionMessage
    model: str
    host: str
    status: Status
    finish_reason: str | None
    usage: Mapping[str, Any] | None
    timing: Timing
    server_model: str | None = None
    notes: tuple[str, ...] = ()
    request: Mapping[str, Any] = field(default_factory=dict)
    output: OutputFormat = "markdown"

    @property
    def text(self) -> str:
        """The answer's text; the refusal where the model refused; empty when it only called tools."""
        return self.message.content or self.message.refusal or ""

    def __repr__(self) -> str:
        said = self.text if len(self.text) <= 70 else self.text[:69] + "…"
        parts = [f"model={self.model!r}", f"status={self.status!r}", f"finish_reason={self.finish_reason!r}"]
        if self.usage:
            tokens = (self.usage.get("prompt_tokens"), self.usage.get("completion_tokens"))
            parts.append("tokens={}→{}".format(*("?" if n is None else n for n in tokens)))
        if self.timing.first_token is not None:
            parts.append(f"first_token={self.timing.first_token:.2f} s")
        parts.append(f"total={self.timing.total:.2f} s")
        if self.notes:
            parts.append(f"notes={list(self.notes)!r}")
        return f"Answer({said!r}, {', '.join(parts)})"
