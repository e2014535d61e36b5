"""The guide is the demo's only knowledge: this finds the section that fits a question."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from importlib import resources

from llm_magics.demo import words

_TITLE_COUNTS = 2.5  # added to a word's dampened count when it stands in the title
_SYNONYM_COUNTS = 0.6
_BLOCK = re.DOTALL | re.MULTILINE
_OWN = re.compile(r"\b\w*llm\w*|\bModelManager\b|\bChatCompletionMessage\b|\btools\b")
_LONGEST_QUESTION = 300  # words; a pasted document would only blur what is asked

# from what people say to what the guide says
_SYNONYMS = {
    "password credential secret authentication authenticate login": "key",
    "select pick switch change swap choice different another": "choosing model",
    "config configuration configure options option preference preferences": "configuration settings",
    "settings": "configuration files",
    "sent": "dry",
    "temperature system": "setting parameters",
    "env": "environment",
    "safe": "safety privacy",
    "customise customize adjust tweak": "setting parameters",
    "parameter randomness creative creativity deterministic length longer shorter limit top_p": "parameters",
    "variable insert interpolate interpolation substitute placeholder template brace braces": "values braces",
    "dataframe df embed pass": "values",
    "cancel abort interrupt halt stop": "stopping interrupt",
    "quiet hide suppress mute": "silence semicolon",
    "preview inspect debug": "dry",
    "function functions calling callback plugin": "tools",
    "error errors fail fails failed failing problem wrong broken refused": "troubleshooting",
    "unauthorized unauthorised 401 403": "troubleshooting key refused",
    "404 notfound": "troubleshooting model unknown",
    "timeout unreachable connect": "troubleshooting connection",
    "localhost offline machine llama": "local",
    "download huggingface hub quantisation quantization": "gguf file",
    "ollama lmstudio llamacpp vllm": "local servers",
    "persist permanent permanently remember toml pyproject": "configuration files save",
    "store": "save",
    "secure security unsafe xss html leak confidential": "privacy safety",
    "claude": "anthropic providers",
    "gpt chatgpt": "openai",
    "gemini": "google providers",
    "grok": "xai providers",
    "openai anthropic mistral deepseek groq openrouter": "providers",
    "install start begin started setup introduction tutorial quickstart": "first",
    "response reply result output": "answer",
    "register define custom endpoint": "adding",
    "script module library": "plain python",
    "inline single": "line",
    "format render rendered": "output display",
    "fake stub dummy": "demo",
    "purpose overview": "llm_magics",
}

# phrases that mean something else than their words one by one
_PHRASES = (
    (re.compile(r"environment variables?", re.IGNORECASE), "environment providers"),
    (re.compile(r"\bapi[\s_-]?keys?\b", re.IGNORECASE), "key"),
    (re.compile(r"\bcall_llm\b"), "call_llm plain"),
    (re.compile(r"\bmachine learning\b", re.IGNORECASE), "learning"),
    (re.compile(r"(?<!\w)\.env\b", re.IGNORECASE), "dotenv keys"),
    (re.compile(r"\b(?:who|what) are you\b|\breal model\b", re.IGNORECASE), "demo"),
)


@dataclass(frozen=True)
class Section:
    """One heading of the guide, with what stands below it."""

    title: str
    body: str

    def python(self) -> str | None:
        """The section's first block of real Python, if it has one."""
        block = re.search(r"^```python\n(.*?)^```", self.body, re.DOTALL | re.MULTILINE)
        return block[1].rstrip() if block else None

    def lead(self) -> str:
        """The first sentences, before any code: what fits where the whole section does not."""
        return re.split(r"\n\s*\n", self.body)[0].replace("\n", " ")


@dataclass(frozen=True)
class Match:
    """How well a section fits: the score ranks, the coverage says whether the question was met at all."""

    section: Section
    score: float
    coverage: float


class Book:
    """Sections and the weights of their words."""

    def __init__(self, text: str) -> None:
        self.sections = tuple(_sections(text))
        self._vectors = [_term_counts(section) for section in self.sections]
        seen = Counter(term for vector in self._vectors for term in vector)
        self._rarity = {term: math.log(1 + len(self.sections) / times) for term, times in seen.items()}
        self._unknown = math.log(1 + len(self.sections))

    def matches(self, question: str) -> list[Match]:
        """All sections that share a word with the question, the best first."""
        asked = _asked(question)
        found = [self._match(index, asked) for index in range(len(self.sections))]
        return sorted((match for match in found if match.score > 0), key=lambda match: -match.score)

    def near(self, section: Section, question: str) -> list[Section]:
        """The other sections, ranked by how much they share with this one and with the question."""
        scores = {match.section: match.score for match in self.matches(question)}
        best = max(scores.values(), default=1.0)
        here = self._vectors[self.sections.index(section)]
        shared = {other: self._likeness(here, index) for index, other in enumerate(self.sections) if other != section}
        return sorted(shared, key=lambda other: -(scores.get(other, 0.0) / best + 2 * shared[other]))

    def _likeness(self, here: dict[str, float], index: int) -> float:
        there = self._vectors[index]
        shared = sum(here[term] * there[term] * self._weight(term) ** 2 for term in here.keys() & there.keys())
        return shared / (self._length(here) * self._length(there))

    def _length(self, vector: dict[str, float]) -> float:
        return math.sqrt(sum((times * self._weight(term)) ** 2 for term, times in vector.items()))

    def _match(self, index: int, asked: dict[str, float]) -> Match:
        vector = self._vectors[index]
        shared = {term: weight for term, weight in asked.items() if term in vector}
        score = sum(weight * vector[term] * self._weight(term) ** 2 for term, weight in shared.items())
        return Match(self.sections[index], score / self._length(vector), self._coverage(vector, asked))

    def _coverage(self, vector: dict[str, float], asked: dict[str, float]) -> float:
        """The share of the question's own words that the section speaks of, under that name or another."""
        said = [term for term, weight in asked.items() if weight == 1]
        met = [term for term in said if any(word in vector for word in (term, *_meanings().get(term, ())))]
        whole = sum(self._weight(term) for term in said)
        return sum(self._weight(term) for term in met) / whole if whole else 0.0

    def _weight(self, term: str) -> float:
        return self._rarity.get(term, self._unknown)


@cache
def guide() -> Book:
    """The packaged documentation, read once."""
    return Book(_packaged("guide.md"))


@cache
def examples() -> Book:
    """Small Python programs, for questions that want code."""
    return Book(_packaged("examples.md"))


def _packaged(name: str) -> str:
    return resources.files("llm_magics.demo").joinpath(name).read_text("utf-8")


def _sections(text: str) -> Iterable[Section]:
    """Split at second-level headings, but never inside a code block, where `## ` is a comment."""
    title, lines, fenced = "", list[str](), False
    for line in [*text.splitlines(), "## "]:
        fenced ^= line.startswith("```")
        if line.startswith("## ") and not fenced:
            if title:
                yield Section(title, "\n".join(lines).strip())
            title, lines = line[3:].strip(), []
        else:
            lines.append(line)


def _term_counts(section: Section) -> dict[str, float]:
    """Dampened counts: a word said ten times does not say ten times as much."""
    said = Counter(words.stems(_without_prompts(section.body)))
    counts = {term: 1 + math.log(times) for term, times in said.items()}
    titled = dict.fromkeys(words.stems(section.title), _TITLE_COUNTS)
    return {term: counts.get(term, 0.0) + titled.get(term, 0.0) for term in counts | titled}


def _without_prompts(body: str) -> str:
    """The examples are about boats and cities; only what belongs to llm_magics in them is searched."""

    def magics(block: re.Match[str]) -> str:
        return "\n".join(" ".join(re.findall(r"%+\w+|--?[a-z][\w-]*", line)) for line in block[1].splitlines())

    body = re.sub(r"^```ipython\n(.*?)^```", magics, body, flags=_BLOCK)
    return re.sub(r"^```python\n(.*?)^```", lambda block: " ".join(_OWN.findall(block[1])), body, flags=_BLOCK)


def _asked(question: str) -> dict[str, float]:
    """The question's terms, with what they are also called in the guide at a lower weight."""
    for phrase, meant_words in _PHRASES:
        question = phrase.sub(meant_words, question)
    terms = [term for term in words.stems(question) if not (term.isdigit() and len(term) < 3)]
    said = dict.fromkeys(terms[:_LONGEST_QUESTION], 1.0)
    meant = {other: _SYNONYM_COUNTS for term in said for other in _meanings().get(term, ())}
    return meant | said


@cache
def _meanings() -> dict[str, tuple[str, ...]]:
    table: dict[str, tuple[str, ...]] = {}
    for said, meant in _SYNONYMS.items():
        for term in words.stems(said):
            table[term] = (*table.get(term, ()), *words.stems(meant))
    return table
