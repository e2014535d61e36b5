"""What an answer looks like at one moment, whatever paints it: events are folded into it, renderers read it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, assert_never

from llm_magics.events import (
    Answer,
    Event,
    Note,
    OutputFormat,
    ReasoningDelta,
    RefusalDelta,
    Status,
    TextDelta,
    ToolCallDelta,
    ToolRun,
)
from llm_magics.pictures import BLOCKED, Pictures
from llm_magics.wire.body import read_completion

if TYPE_CHECKING:
    from openai.types.chat import ChatCompletionMessage


@dataclass(frozen=True, slots=True)
class CallView:
    """A tool call: its name, its arguments as JSON text, perhaps not complete yet, and what came of it so far."""

    name: str
    arguments: str
    run: ToolRun | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """Plain segments in the order they are shown; ``pictures`` says from where a page may load some.

    ``steps`` are the rounds before this one, each with its text and its calls.
    """

    steps: tuple[View, ...] = ()
    notes: tuple[str, ...] = ()
    reasoning: str = ""
    text: str = ""
    refusal: str = ""
    calls: tuple[CallView, ...] = ()
    citations: tuple[tuple[str, str], ...] = ()
    transcript: str = ""
    status: Status = "ok"
    mark: str = ""
    output: OutputFormat = "markdown"
    pictures: Pictures = BLOCKED

    @property
    def empty(self) -> bool:
        """Whether there is nothing of this round to show yet."""
        return not (self.reasoning or self.text or self.refusal or self.calls or self.transcript)


def fold(view: View, events: Iterable[Event]) -> View:
    """The view after these events; called with many at once, so that a long answer is not copied for every token."""
    text, reasoning, refusal = [view.text], [view.reasoning], [view.refusal]
    calls, notes = list(view.calls), list(view.notes)
    for event in events:
        match event:
            case TextDelta(piece):
                text.append(piece)
            case ReasoningDelta(piece):
                reasoning.append(piece)
            case RefusalDelta(piece):
                refusal.append(piece)
            case ToolCallDelta(slot, name, arguments):
                while len(calls) <= slot:
                    calls.append(CallView("", ""))
                before = calls[slot]
                calls[slot] = replace(before, name=before.name + name, arguments=before.arguments + arguments)
            case Note(line):
                notes.append(line)
            case _:
                assert_never(event)
    return replace(
        view,
        text="".join(text),
        reasoning="".join(reasoning),
        refusal="".join(refusal),
        calls=tuple(calls),
        notes=tuple(notes),
    )


def view_of(message: ChatCompletionMessage, answer: Answer | None = None) -> View:
    """The view of a finished message, wherever it came from; ``answer`` adds what the message itself does not hold."""
    if answer is None:
        return _round(message)
    return replace(
        _round(message, answer.runs),
        steps=tuple(_round(step.message, step.runs) for step in answer.steps),
        notes=answer.notes,
        status=answer.status,
        mark=mark_of(answer),
        output=answer.output,
    )


def _round(message: ChatCompletionMessage, runs: Sequence[ToolRun] = ()) -> View:
    """What a model said and called, and what came of the calls."""
    fields = fields_of(message)
    whole = read_completion({"choices": [{"message": fields}]}).message()
    made = whole.tool_calls or []
    return View(
        reasoning=_text(getattr(whole, "reasoning_content", None)),
        text=_text(whole.content),
        refusal=_text(whole.refusal),
        calls=tuple(_with_runs(list(_calls(made)), [_text(_get(one, "id")) for one in made], runs)),
        citations=tuple(_citations(fields)),
        transcript=_text(_get(fields.get("audio"), "transcript")),
    )


def _with_runs(calls: Sequence[CallView], ids: Sequence[str], runs: Sequence[ToolRun]) -> Iterable[CallView]:
    """Calls with what came of each: of the same id, else in the same place; what belongs to none comes behind them."""
    fits = {place: place for place, (one, run) in enumerate(zip(ids, runs, strict=False)) if one == run.id}
    others = {run.id: at for at, run in enumerate(runs) if at not in fits}
    fits |= {place: others.pop(one) for place, one in enumerate(ids) if place not in fits and one in others}
    taken = set(fits.values())
    fits |= {at: at for at in range(min(len(calls), len(runs))) if at not in fits and at not in taken}
    for place, one in enumerate(calls):
        yield replace(one, run=runs[fits[place]]) if place in fits else one
    yield from (CallView(run.name, run.arguments, run) for at, run in enumerate(runs) if at not in fits.values())


def fields_of(message: Any) -> dict[str, Any]:
    """A message object's fields, those of compatible servers included, as plain containers where they can be."""
    try:
        dumped: dict[str, Any] = message.model_dump(exclude_none=True, warnings=False)
    except (ValueError, TypeError, AttributeError, RecursionError):  # fields of other types than the SDK's
        return {name: value for name, value in dict(message).items() if value is not None}
    return dumped


def mark_of(answer: Answer) -> str:
    """One line that says why an answer is not whole; nothing for one that is."""
    match answer.status:
        case "truncated":
            limit = answer.request.get("max_tokens") or answer.request.get("max_completion_tokens")
            reasons = f"max_tokens={limit}" if limit else "the model's limit"
            spent = _reasoning_tokens(answer.usage)
            used = f" ({spent} of the tokens went into reasoning)" if spent else ""
            return f"Cut at {reasons}{used}: ask again with a larger --max-tokens."
        case "filtered":
            return "Stopped by the endpoint's content filter."
        case "interrupted":
            return "Interrupted: this is what had arrived."
        case "cut off":
            return "Cut off: this is what had arrived."
        case "failed":
            return "Failed: this is what had arrived."
        case "ok" if answer.finish_reason is None:
            return "The endpoint gave no finish reason: this may not be all of it."
        case "ok" if (answer.finish_reason or "").lower() not in _WHOLE:
            return f"Finished with reason {answer.finish_reason!r}."
        case _:
            return ""


_WHOLE = (
    "stop",
    "stop_sequence",
    "tool_calls",
    "tool_use",
    "function_call",
    "eos",
    "eos_token",
    "end_turn",
    "complete",
)


def _reasoning_tokens(usage: Mapping[str, Any] | None) -> int:
    details = (usage or {}).get("completion_tokens_details")
    spent = details.get("reasoning_tokens") if isinstance(details, Mapping) else None
    return spent if isinstance(spent, int) else 0


def _calls(calls: Iterable[Any]) -> Iterable[CallView]:
    for call in calls:
        body = _get(call, "function") or _get(call, "custom")
        arguments = _get(body, "arguments") if _get(body, "arguments") is not None else _get(body, "input")
        shown = arguments if isinstance(arguments, str) else json.dumps(arguments, ensure_ascii=False, default=str)
        yield CallView(str(_get(body, "name") or "?"), shown)


def _citations(fields: Mapping[str, Any]) -> Iterable[tuple[str, str]]:
    """Title and URL of each source: OpenAI's annotations, or the plain list of URLs that some servers send."""
    for found in [*_listed(fields.get("annotations")), *_listed(fields.get("citations"))]:
        citation = _get(found, "url_citation") or found
        url = citation if isinstance(citation, str) else _get(citation, "url")
        if isinstance(url, str) and url:
            yield _text(_get(citation, "title")) or url, url


def _listed(value: Any) -> list[Any]:
    return list(value) if isinstance(value, list | tuple) else []


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _get(thing: Any, name: str) -> Any:
    return thing.get(name) if isinstance(thing, Mapping) else getattr(thing, name, None)
