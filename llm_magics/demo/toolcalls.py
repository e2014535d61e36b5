"""A stand-in that is offered tools should use them: this picks one and fills in its arguments."""

from __future__ import annotations

import re
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field

from llm_magics.demo import words
from llm_magics.demo.evidence import Given
from llm_magics.demo.request import Tool
from llm_magics.demo.schema import Filler, as_json
from llm_magics.demo.shapes import Schema

_MOST_CALLS = 8
_NAME_COUNTS, _PARAMETER_COUNTS, _VERB_COUNTS = 3, 2, 3
# words of any description, which tell nothing about what a tool is for
_COMMON = frozenset(
    map(
        words.stem,
        words.listed(
            """get return returns given current value string tool function call fetch number result based specific name
            information data list optional first second set model text user example"""
        ),
    )
)
_RELATED = {
    "weather": "temperature forecast warm cold hot rain rainy sunny snow wind degrees climate",
    "time": "clock hour date day today now timezone",
    "add": "sum plus addition total +",
    "multiply": "times product multiplied multiplication × *",
    "subtract": "minus difference −",
    "divide": "divided quotient division ÷ /",
    "calculate": "calculator compute evaluate expression sum math arithmetic plus minus times + * / ^",
    "search": "find google look lookup web internet",
    "mail": "email send message",
    "currency": "exchange convert dollars euros usd eur",
    "distance": "far long km kilometres miles route",
    "sql": "select",
    "dice": "roll die random",
}


@dataclass(frozen=True)
class Call:
    """One function to call, its arguments as the JSON text that goes over the wire."""

    name: str
    arguments: str
    id: str = field(default_factory=lambda: f"call_{secrets.token_hex(12)}")

    def wire(self) -> dict[str, object]:
        return {"id": self.id, "type": "function", "function": {"name": self.name, "arguments": self.arguments}}


def chosen_calls(
    question: str, tools: Sequence[Tool], *, required: bool, parallel: bool, elsewhere: bool
) -> tuple[Call, ...]:
    """The calls that would help with a question.

    `elsewhere` says that the question can be answered without tools (it is about the guide, a greeting, a sum):
    then a tool is only called when it is meant by name and the text gives all it needs.
    """
    tool = _chosen(question, tools, required, elsewhere)
    return _calls(question, tool, parallel) if tool else ()


def _chosen(question: str, tools: Sequence[Tool], required: bool, elsewhere: bool) -> Tool | None:
    scores = [_score(question, tool) for tool in tools]
    best = max(range(len(tools)), key=lambda index: (scores[index], -index))
    if required:
        return tools[best]
    if elsewhere:
        return tools[best] if scores[best] >= _NAME_COUNTS and _is_supplied(question, tools[best]) else None
    if scores[best] > 0 or (len(tools) == 1 and _is_supplied(question, tools[0])):
        return tools[best]
    return None


def _score(question: str, tool: Tool) -> int:
    said = set(words.stems(question)) | set(re.findall(r"[+*/×÷−^]", question))
    said |= {stem for topic, related in _related().items() if said & related for stem in topic}
    properties = tool.parameters.get("properties")
    parameters = " ".join(properties) if isinstance(properties, dict) else ""
    name = _terms(tool.name)
    return (
        _VERB_COUNTS * _begins_with(question, tool.name)
        + _NAME_COUNTS * len(said & (name | _widened(name)))
        + _PARAMETER_COUNTS * len(said & _terms(parameters))
        + len(said & _terms(tool.description))
    )


def _begins_with(question: str, name: str) -> bool:
    """Whether a question says at once what to do, in the tool's own word: `List my frames` is for `list_frames`."""
    first = re.match(r"\W*(\w+)", question)
    return first is not None and words.stem(first[1]) in {words.stem(piece) for piece in words.pieces(name)}


def _terms(text: str) -> set[str]:
    return set(words.stems(text)) - _COMMON


def _related() -> dict[tuple[str, ...], set[str]]:
    return {(words.stem(topic),): {words.stem(word) for word in related.split()} for topic, related in _RELATED.items()}


def _widened(name: set[str]) -> set[str]:
    """A tool called `temperature_in` is one about the weather."""
    return {stem for topic, related in _related().items() if name & related for stem in topic}


def _is_supplied(question: str, tool: Tool) -> bool:
    """Whether the text gives every argument the tool cannot do without."""
    filler = Filler(_parameters(tool), _given(question, tool))
    filler.fill()
    return not filler.missing


def _parameters(tool: Tool) -> Schema:
    """Arguments are an object, whatever else the schema says or forgets to say."""
    kept = ("properties", "required", "$defs", "definitions", "allOf", "$ref")
    return {key: value for key, value in tool.parameters.items() if key in kept} | {"type": "object"}


def _given(question: str, tool: Tool) -> Given:
    own = frozenset(piece.lower() for piece in words.pieces(tool.name))
    return Given.of(question, own)


def _calls(question: str, tool: Tool, parallel: bool) -> tuple[Call, ...]:
    given = _given(question, tool)
    names = given.joined() if parallel and Filler(_parameters(tool), given).names_wanted() == 1 else []
    if not names:
        return (_call(tool, given),)
    return tuple(_call(tool, given.only(name)) for name in names[:_MOST_CALLS])


def _call(tool: Tool, given: Given) -> Call:
    arguments = Filler(_parameters(tool), given).fill().value
    # a schema that only refers to itself says nothing, not even that it is an object
    return Call(tool.name, as_json(arguments if isinstance(arguments, dict) else {}))
