"""A hostile endpoint, and the notebooks that meet it: every payload in every place that an answer has."""

from __future__ import annotations

import functools
import json
import random
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import nbformat
from far_end import Answer, Failure, Reply, Request, calling, openai_error, spoken
from notebook_page import code
from payloads import Payload, payloads

if TYPE_CHECKING:
    from far_end import FarEnd

GROUP = 40  # payloads of one cell: a front end shows at most 50 outputs of it
GAP = 0.001  # seconds between two pieces of an answer, so that it is painted while it grows
SAID = 290  # characters of an error that are repeated to the user
LEARNT = 40  # models that turn out not to take a parameter
LISTED = 300  # models that one endpoint lists
APART = 10_000  # what the marks of two places are apart
FIRST = 21  # so that all marks have six digits, and none is part of another

PLACES = (
    "the answer's text",
    "the text, saved in a message",
    "reasoning",
    "a refusal",
    "a tool's name",
    "a tool's arguments",
    "a source's title",
    "a source's address",
    "the finish reason",
    "the model's name",
    "an error report",
    "an error in mid-answer",
    "a list of models",
    "what an endpoint does not take",
    "a tool's result",
    "what a tool printed",
    "a cell of a tool's table",
    "the name of a column",
    "a tool's error",
    "a question",
)
BY_TOOLS = PLACES[14:]
# Where every payload is shown; elsewhere it is some of them, or the beginning of a long text.
WHOLE = PLACES[:8]
AS_IT_IS = ("shown as it is, in the same groups", "shown as it is, each alone")
_MARKS = {place: number * APART for number, place in enumerate((*PLACES, *AS_IT_IS), FIRST)}


def mark(place: str, payload: Payload) -> int:
    """The number that a payload tells when it fires in this place."""
    return _MARKS[place] + payload.number


def told_in(place: str, told: Iterable[int]) -> list[Payload]:
    """The payloads that told these numbers from this place."""
    start = _MARKS[place]
    return [payloads()[number - start] for number in sorted(told) if 0 <= number - start < len(payloads())]


@functools.cache
def groups() -> tuple[tuple[Payload, ...], ...]:
    """Payloads that stand in one text, those last that would swallow what follows."""
    closed = [payload for payload in payloads() if not payload.is_open]
    opened = [payload for payload in payloads() if payload.is_open]
    cut = [closed[at : at + GROUP - 1] for at in range(0, len(closed), GROUP - 1)]
    assert len(opened) <= len(cut)
    return tuple((*group, *opened[place : place + 1]) for place, group in enumerate(cut))


@dataclass(frozen=True)
class Author:
    """Writes payloads that call one listener (its ``host:port``)."""

    listener: str

    def one(self, place: str, payload: Payload) -> str:
        """One payload as it stands in this place."""
        return payload.text(mark(place, payload), self.listener)

    def each(self, place: str, group: Iterable[Payload]) -> list[str]:
        """Each of a group."""
        return [self.one(place, payload) for payload in group]

    def marked(self, place: str) -> list[tuple[int, str]]:
        """All payloads as they stand in this place, each with its mark."""
        return [(mark(place, payload), self.one(place, payload)) for payload in payloads()]

    def text(self, place: str, group: Iterable[Payload]) -> str:
        """A group as one text."""
        return "\n\n".join(self.each(place, group))

    def errors(self, group: Iterable[Payload]) -> list[str]:
        """A group as few error messages, each short enough to be repeated whole."""
        said: list[str] = []
        for text in self.each("an error report", group):
            if said and len(said[-1]) + len(text) < SAID:
                said[-1] += f" {text}"
            else:
                said.append(text)
        return said


# ---------------------------------------------------------------- the endpoint


def script(endpoint: FarEnd, author: Author) -> None:
    """Teach an endpoint to answer what `defended` asks: the prompt says which group, and how it is to be said."""
    endpoint.models = author.each("a list of models", payloads()[:LISTED])
    endpoint.computes(lambda request: _reply(request, author))


def _reply(request: Request, author: Author) -> Reply:
    if request.body["messages"][-1]["role"] == "tool":
        return spoken("That was all.")
    how, number, *rest = [*str(request.body["messages"][-1]["content"]).split(), "0", "0"]
    if how == "act":
        return calling([(tool["function"]["name"], {"number": int(number)}) for tool in request.body["tools"]])
    if how not in ("answer", "break", "refuse", "learn"):  # a check, which asks what it likes
        return Failure(400, openai_error(f"No: {_refused(author, sum(map(ord, how)))}"))
    if how == "learn":
        if "temperature" not in request.body:
            return spoken("Without, then.")
        said = f"Unsupported parameter: 'temperature' is not supported with this model. {_refused(author, int(number))}"
        return Failure(400, openai_error(said, code="unsupported_parameter", param="temperature"))
    if how == "refuse":
        return Failure(400, openai_error(f"No: {author.errors(groups()[int(number)])[int(rest[0])]}"))
    answer = _answer(author, int(number))
    if how == "break":
        error = {"error": {"message": author.text("an error in mid-answer", groups()[int(number)])}}
        return Broken(answer, error)
    return answer


def _refused(author: Author, number: int) -> str:
    """One payload that is short enough to be repeated beside other words."""
    payload = [payload for payload in payloads() if len(payload.template) < 50][number * 31 % 400]
    return author.one("what an endpoint does not take", payload)


def _answer(author: Author, number: int) -> Answer:
    """An answer in which every place has a group of its own."""
    chance = random.Random(number)  # the same cuts each time
    turn = [groups()[(number + step) % len(groups())] for step in range(len(PLACES))]
    sources = zip(author.each("a source's title", turn[4]), author.each("a source's address", turn[4]), strict=True)
    annotations = [{"type": "url_citation", "url_citation": {"title": title, "url": url}} for title, url in sources]
    deltas: list[dict[str, Any]] = [
        *({"reasoning_content": piece} for piece in pieces(author.text("reasoning", turn[1]), chance)),
        *({"content": piece} for piece in pieces(author.text("the answer's text", turn[0]), chance)),
        *({"refusal": piece} for piece in pieces(author.text("a refusal", turn[2]), chance)),
        *_calls(author.each("a tool's name", turn[3]), author.each("a tool's arguments", turn[3])),
        {"annotations": annotations},
    ]
    return Answer(
        message={"role": "assistant", "content": ""},
        deltas=deltas,
        finish=author.text("the finish reason", turn[5]),
        model=author.text("the model's name", turn[6]),
        words=0,
        gap=GAP,
    )


def _calls(names: Sequence[str], arguments: Sequence[str]) -> Iterator[dict[str, Any]]:
    for index, (name, text) in enumerate(zip(names, arguments, strict=True)):
        given = json.dumps({text: [text]}) if index % 2 else text  # arguments need not be JSON
        function = {"name": name, "arguments": given}
        yield {"tool_calls": [{"index": index, "id": f"call_{index}", "type": "function", "function": function}]}


def pieces(text: str, chance: random.Random) -> Iterator[str]:
    """A text cut at random places."""
    at = 0
    while at < len(text):
        size = chance.choice((1, 2, 3, 5, 8, 13, 21, 34))
        yield text[at : at + size]
        at += size


@dataclass(frozen=True)
class Broken:
    """An answer that ends in an error report instead of a finish reason."""

    answer: Answer
    error: dict[str, Any]

    def play(self, request: Request, line: Any) -> bool:
        deltas = [*self.answer.deltas[:200], {"refusal": "x"}]
        frames = [{"choices": [{"index": 0, "delta": delta}]} for delta in deltas]
        from far_end import Events

        return Events(frames=[*frames, self.error], done=True, gap=0.0, headers={}, end="close", eol="\n").play(
            request, line
        )


# ---------------------------------------------------------------- the notebooks

SAVED = "saved.json"  # beside the notebook: texts by place, which cells show one by one
_MESSAGES = """for text in saved[{place!r}][{start}:{end}]:
    display(ChatCompletionMessage(role="assistant", content=text))"""
_ERRORS = """for number in range({count}):
    get_ipython().run_cell(f"%%llm\\nrefuse {group} {{number}}")"""
_LEARN = """for number in range({count}):
    get_ipython().run_line_magic("llm", f"-m far/m{{number}} --temperature 0.3 learn {{number}}")"""
_MARKDOWN = """for text in saved[{place!r}][{start}:{end}]:
    display({{"text/markdown": text, "text/plain": ""}}, raw=True)"""
_READ = "import json, pathlib\nsaved = json.loads(pathlib.Path({file!r}).read_text('utf-8'))"


def defended(endpoint: FarEnd, author: Author, folder: Path) -> nbformat.NotebookNode:
    """The notebook whose cells bring every payload onto the page by way of this package."""
    place = "the text, saved in a message"
    _keep(folder, {place: [author.text(place, group[::-1]) for group in groups()]})
    numbers = range(len(groups()))
    setup = [
        f"%load_ext llm_magics\n%llm_config --add far base_url={endpoint.base_url} model=far-model",
        _READ.format(file=SAVED) + "\nfrom openai.types.chat import ChatCompletionMessage",
    ]
    cells = [f"%%llm\nanswer {number}" for number in numbers]
    cells += [f"%%llm\nbreak {number}" for number in numbers[::6]]
    cells += [_MESSAGES.format(place=place, start=at, end=at + GROUP) for at in range(0, len(groups()), GROUP)]
    cells += [_ERRORS.format(count=len(author.errors(groups()[number])), group=number) for number in numbers]
    cells += [_LEARN.format(count=LEARNT), "%llm_config --caps", "%llm_config --models", "%llm_config --check far"]
    return _going_on(code(*setup, *cells))


def compared(endpoint: FarEnd, numbers: Sequence[int]) -> nbformat.NotebookNode:
    """The notebook that compares these of such answers: in columns, below each other, blind, in groups …"""
    cells = [f"%load_ext llm_magics\n%llm_config --add far base_url={endpoint.base_url} model=far-model"]
    cells += [f"%%llm -m far far/b\nanswer {number}" for number in numbers]
    cells.append("%%llm -m far far/b far/c far/d\nanswer 1")
    cells += ["_.diff('far', 'far/b')", "_.stats()", "%%llm -n 2\nanswer 1", "%%llm -m far far/b\nrefuse 0 0"]
    cells += ["%%llm -m far far/b --blind\nanswer 2", "%llm_vote A", "%llm_config --arena"]
    cells += ["first = %llm answer 3", "second = %llm answer 4"]
    cells += ["from llm_magics.comparisons.differences import difference\ndifference(first.content, second.content)"]
    cells += ['%%llm -m far far/b --judge far "the best"\nanswer 5']
    return _going_on(code(*cells))


_TOOLS = '''
import llm_magics
import pandas as pd
from llm_magics.call_views.asking import question
from llm_magics.events import ToolRun
from llm_magics.live import show

@llm_magics.tool
def result(number: int) -> str:
    """Give a text."""
    print("\\n\\n".join(saved["what a tool printed"][number]))
    return "\\n\\n".join(saved["a tool's result"][number])

@llm_magics.tool
def table(number: int) -> pd.DataFrame:
    """Give a table."""
    names, cells = saved["the name of a column"][number], saved["a cell of a tool's table"][number]
    return pd.DataFrame({name: [cell, [cell]] for name, cell in zip(names[:20], cells)})

@llm_magics.tool
def fails(number: int) -> str:
    """Fail."""
    raise ValueError("\\n".join(saved["a tool's error"][number]))

def ask(number):
    for place, text in enumerate(saved["a question"][number]):
        code = ("code", "python") if place % 2 else None
        run = ToolRun(id="1", name=text, arguments=json.dumps({"code": text, text: text}), state="asking", code=code)
        markdown, plain = question(run)
        show({"text/markdown": markdown, "text/plain": plain}, page=True)
'''


def acted(endpoint: FarEnd, author: Author, folder: Path, numbers: Sequence[int]) -> nbformat.NotebookNode:
    """The notebook in which tools give these groups of payloads, and calls that hold them are asked about."""
    _keep(folder, {place: [author.each(place, group) for group in groups()] for place in BY_TOOLS})
    cells = [
        f"%load_ext llm_magics\n%llm_config --add far base_url={endpoint.base_url} model=far-model",
        "%llm_config max_tool_result=200000",
        _READ.format(file=SAVED) + _TOOLS,
    ]
    cells += [f"%%llm --tools result,table,fails\nact {number}" for number in numbers]
    cells += [f"ask({number})" for number in numbers]
    return _going_on(code(*cells))


def _going_on(book: nbformat.NotebookNode) -> nbformat.NotebookNode:
    """A notebook whose errors, which are among what is shown, keep no cell behind them from running."""
    for cell in book.cells:
        cell.metadata["tags"] = ["raises-exception"]
    return book


def as_it_is(author: Author, folder: Path) -> nbformat.NotebookNode:
    """The notebook that shows the same texts as Markdown, as they are, in the same groups."""
    place = AS_IT_IS[0]
    _keep(folder, {place: [author.text(place, group) for group in groups()]})
    cells = [_MARKDOWN.format(place=place, start=at, end=at + GROUP) for at in range(0, len(groups()), GROUP)]
    return code(_READ.format(file=SAVED), *cells)


def as_it_is_run(author: Author) -> nbformat.NotebookNode:
    """A notebook in which each payload was shown as Markdown by itself, those last that would swallow what follows."""
    texts = author.each(AS_IT_IS[1], sorted(payloads(), key=lambda payload: payload.is_open))
    book = code("...")
    book.cells[0].outputs = [nbformat.v4.new_output("display_data", {"text/markdown": text}) for text in texts]
    return book


def _keep(folder: Path, texts: dict[str, Any]) -> None:
    (folder / SAVED).write_text(json.dumps(texts), "utf-8")
