"""One request, one reply: this decides between a tool call, JSON, code and prose, and keeps to the limits asked for."""

from __future__ import annotations

import re
import threading
from dataclasses import dataclass

from llm_magics.demo import answers, results, words
from llm_magics.demo.evidence import Given
from llm_magics.demo.request import Request
from llm_magics.demo.schema import Filler, as_json
from llm_magics.demo.toolcalls import Call, chosen_calls

_JSON = re.compile(r"\bjson\b", re.IGNORECASE)
_ONLY = re.compile(
    r"\b(?:nothing\s+(?:else|but)|only|alone|valid|(?:respond|answer|reply)\s+(?:in|with)|output)\b"
    r"|\bno\s+(?:other|prose|explanation)",
    re.IGNORECASE,
)
_FENCED = re.compile(
    r"\bfenced?\b|\bcode\s+(?:block|fence)s?\b|\bonly\s+(?:the\s+)?(?:python\s+)?code\b", re.IGNORECASE
)

BRIEF = "brief"  # the model that answers in a sentence, so that there is something to compare the demo with

_ROOM = 100  # words that an answer must be allowed for an introduction to stand before it

_UNSEEN = {
    "pictures": "I cannot see pictures, so I only go by your words.",
    "sound": "I cannot hear sound, so I only go by your words.",
    "files": "I cannot open files, so I only go by your words.",
}


@dataclass(frozen=True)
class Reply:
    """What goes back: a text or calls, why it ended, and what it took."""

    text: str
    calls: tuple[Call, ...]
    finish_reason: str
    prompt_tokens: int
    completion_tokens: int

    def usage(self) -> dict[str, int]:
        total = self.prompt_tokens + self.completion_tokens
        return {
            "prompt_tokens": self.prompt_tokens,
            "completion_tokens": self.completion_tokens,
            "total_tokens": total,
        }


class Replies:
    """Makes replies; remembers only whether it has introduced itself."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._introduced = False

    def to(self, request: Request) -> Reply:
        calls = _calls(request)
        prompt = sum(words.count(message.text) for message in request.messages)
        if calls:
            spent = sum(words.count(call.arguments) for call in calls)
            return Reply("", calls, "tool_calls", prompt, spent)
        text, finish_reason = _limited(self._text(request), request)
        return Reply(text, (), finish_reason, prompt, words.count(text))

    def _text(self, request: Request) -> str:
        exact = _exact(request)
        if exact is not None:
            return exact
        if request.model == BRIEF:
            return words.first_sentence(_prose(request))
        paragraphs = [*self._introduction(request), *_unseen(request), _prose(request)]
        return "\n\n".join(paragraphs)

    def _introduction(self, request: Request) -> list[str]:
        """Said once, so that nobody takes the demo for a model, and nobody has to read it twice.

        Not where there is no room for it beside an answer: whoever asks for so little only wants to see it work.
        """
        if request.max_tokens is not None and request.max_tokens < _ROOM:
            return []
        with self._lock:
            first, self._introduced = not self._introduced, True
        return [answers.INTRODUCTION] if first else []


def _calls(request: Request) -> tuple[Call, ...]:
    if not request.tools or request.tool_choice == "none" or request.messages[-1].role != "user":
        return ()
    named = [tool for tool in request.tools if tool.name == request.named_tool]
    question = request.question()
    required = request.tool_choice == "required"
    return chosen_calls(
        question,
        named or request.tools,
        required=required,
        parallel=request.parallel_tool_calls,
        elsewhere=not required and answers.needs_no_tool(question),
    )


def _exact(request: Request) -> str | None:
    """An answer that a program will read, so nothing may stand around it."""
    wanted = request.response_format.get("type")
    instructions = request.instructions()
    if wanted == "json_schema":
        return _by_schema(request)
    if wanted == "json_object" or (_JSON.search(instructions) and _ONLY.search(instructions)):
        return _json(request)
    if _FENCED.search(instructions) and not request.tool_results():
        return answers.as_code(request.question())
    return None


def _by_schema(request: Request) -> str:
    schema = request.response_format["json_schema"]["schema"]
    found = "\n".join(result.text for result in request.tool_results())
    given = Given.of(f"{request.question()}\n{found}".strip())
    return as_json(Filler(schema, given, prose=_lead(request), everything=True).fill().value)


def _json(request: Request) -> str:
    pending = request.tool_results()
    if pending:
        return as_json({"question": request.question(), "results": results.values(pending)})
    return as_json(answers.as_object(request.question()))


def _lead(request: Request) -> str:
    pending = request.tool_results()
    return results.answer_from(pending, request.messages) if pending else answers.lead(request.question())


def _prose(request: Request) -> str:
    pending = request.tool_results()
    return results.answer_from(pending, request.messages) if pending else answers.answer(request.question())


def _unseen(request: Request) -> list[str]:
    """What the last user message holds besides text is named, so that nobody waits for a word about it."""
    last = next((message for message in reversed(request.messages) if message.role == "user"), None)
    return [_UNSEEN[kind] for kind in last.unseen] if last else []


def _limited(text: str, request: Request) -> tuple[str, str]:
    """The text up to the first stop string and the last allowed word."""
    ends = [at for stop in request.stop if (at := text.find(stop)) >= 0]
    text = text[: min(ends, default=len(text))]
    pieces = words.in_pieces(text)
    if request.max_tokens is not None and len(pieces) > request.max_tokens:
        return "".join(pieces[: request.max_tokens]).rstrip(), "length"
    return text, "stop"
