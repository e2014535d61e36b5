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
SHORT = 70  # characters of a text in what Python shows of an object
NAMED = 8  # calls that it names
CallState = Literal["asking", "running", "done", "failed", "denied", "interrupted"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """One prompt as it was typed: the text, the options given with it, nothing resolved.

    Without ``models`` the current one is asked; several, or one several times, make a comparison. ``tools`` are the
    names of what the model may call; None for what the settings say.
    """

    prompt: str
    models: tuple[str, ...] = ()
    repeats: int = 1
    blind: bool = False
    judge: str = ""
    criteria: str = ""
    system: str | None = None
    params: Mapping[str, Any] = field(default_factory=dict)
    to: str | None = None
    output: OutputFormat = "markdown"
    stream: bool | None = None
    raw: bool = False
    silent: bool = False
    allow_secret: bool = False
    tools: tuple[str, ...] | None = None

    @property
    def compares(self) -> bool:
        """Whether there will be several answers."""
        return len(self.models) > 1 or self.repeats > 1


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
    """A further piece of a tool call, of its name or its arguments: ``slot`` counts the calls of this answer from 0."""

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
class Cost:
    """What an answer cost, in US dollars; ``source`` says who knew the price."""

    amount: float
    source: str

    def __str__(self) -> str:
        digits = 2 if self.amount >= 1 or self.amount == 0 else 4 if self.amount >= 0.01 else 6
        return f"${self.amount:.{digits}f}"


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture that a tool made: its MIME type (``image/png`` …), and its bytes in base64."""

    mime: str
    data: str

    def __repr__(self) -> str:
        return f"Picture({self.mime!r}, {len(self.data) * 3 // 4:,} bytes)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Grid:
    """The head of a table as texts; ``height`` and ``width`` count all its rows and columns."""

    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    height: int
    width: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolRun:
    """A tool call, and what came of it.

    Attributes:
        id: the call's id, which no other call of the conversation has.
        name: the tool's name, or what the model took for one.
        arguments: JSON text as the model wrote it.
        state: ``denied`` says that it was not run, by whomever; ``content`` then says why.
        content: what the model was told, an error among it.
        printed: what the tool wrote while it ran.
        grid: the head of the table it gave.
        pictures: what it drew.
        seconds: how long it took; None where it did not run.
        code: the argument that holds code, and its language.
    """

    id: str
    name: str
    arguments: str
    state: CallState
    content: str = ""
    printed: str = ""
    grid: Grid | None = None
    pictures: tuple[Picture, ...] = ()
    seconds: float | None = None
    code: tuple[str, str] | None = None

    def __repr__(self) -> str:
        parts = [f"{self.name}({_in_short(self.arguments)})", self.state, repr(_in_short(self.content))]
        parts += [f"printed={_in_short(self.printed)!r}"] if self.printed else []
        parts += [f"table={self.grid.height:,} x {self.grid.width:,}"] if self.grid else []
        parts += [f"pictures={len(self.pictures)}"] if self.pictures else []
        parts += [f"{self.seconds:.3f} s"] if self.seconds is not None else []
        return f"<{', '.join(parts)}>"


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One round before the last: what the model said and called, and what came of its calls."""

    message: ChatCompletionMessage
    runs: tuple[ToolRun, ...]

    def __repr__(self) -> str:
        said = [repr(_in_short(self.message.content))] if self.message.content else []
        return f"Step({', '.join([*said, *map(repr, self.runs)])})"


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
        steps: the rounds before the last, where tools were called.
        runs: what came of the calls in ``message``, where the conversation stopped at them.
        tables: the dataframes that tools gave, in order.
        messages: the whole conversation in the SDK's form, ready to be sent again; every call in it has its result.
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
    steps: tuple[Step, ...] = ()
    runs: tuple[ToolRun, ...] = ()
    tables: tuple[Any, ...] = ()
    messages: tuple[Mapping[str, Any], ...] = ()

    @property
    def text(self) -> str:
        """The answer's text; the refusal where the model refused; empty when it only called tools."""
        return self.message.content or self.message.refusal or ""

    def __repr__(self) -> str:
        said = _in_short(self.text)
        parts = [f"model={self.model!r}", f"status={self.status!r}", f"finish_reason={self.finish_reason!r}"]
        if self.usage:
            tokens = (self.usage.get("prompt_tokens"), self.usage.get("completion_tokens"))
            parts.append("tokens={}→{}".format(*("?" if n is None else n for n in tokens)))
        if self.timing.first_token is not None:
            parts.append(f"first_token={self.timing.first_token:.2f} s")
        parts.append(f"total={self.timing.total:.2f} s")
        if self.steps:
            names = [run.name for step in self.steps for run in step.runs]
            parts.append(f"calls={names!r}" if len(names) <= NAMED else f"calls={len(names)}")
        if self.notes:
            parts.append(f"notes={list(self.notes)!r}")
        return f"Answer({said!r}, {', '.join(parts)})"


def _in_short(text: str) -> str:
    return text if len(text) <= SHORT else text[: SHORT - 1] + "…"
