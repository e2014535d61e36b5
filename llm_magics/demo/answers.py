"""A question about llm_magics gets the guide's own words; anything else gets an honest reply."""

from __future__ import annotations

import re

from llm_magics.demo import arithmetic, guide, words

INTRODUCTION = (
    "*I am no language model, only a small offline stand-in that looks things up in the llm_magics guide. "
    "A real model is one `%llm_config` away.*"
)

_MET = 0.4  # the share of a question's words a section has to speak of
_MEANT = 0.15  # the least score that is more than a chance word
_GREETING = re.compile(
    r"(?:hi|hello|hey|hiya|howdy|greetings|good\s+(?:morning|day|afternoon|evening))"
    r"(?:\s+(?:there|demo|you|all|everyone|world|again))?(?:[,!.\s]+how\s+are\s+you)?\W*",
    re.IGNORECASE,
)
_THANKS = re.compile(
    r"(?:(?:ok|okay|great|nice|perfect|cool)\W+)?(?:many\s+)?(?:thanks?|thank\s+you|thx|cheers)"
    r"(?:\s+(?:a\s+lot|very\s+much|so\s+much|you|again|for\s+(?:your|the)\s+help))?\W*",
    re.IGNORECASE,
)
_PARTING = re.compile(r"(?:good)?\s*bye(?:\s+bye)?\W*|see\s+you(?:\s+later)?\W*", re.IGNORECASE)
_ABILITIES = re.compile(
    r"(?:hi\W+|hello\W+)?(?:help(?:\s+me)?|topics|what\s+(?:can|do)\s+(?:you|i)\s+(?:do|know|ask|tell)"
    r"(?:\s+(?:me|you|about|here|for\s+me|with\s+(?:llm_magics|you|this)))*)\W*",
    re.IGNORECASE,
)
_PLAIN = re.compile(
    r"\bllm[_ -]?(?:magics?|config)\b|%%?llm|\bcall_llm\b|(?<!\w)_llm\b|\bModelManager\b", re.IGNORECASE
)
_LONGEST_TALK = 100  # characters; what is longer is more than a greeting
_DEFAULT_EXAMPLE = "Hello world"


def answer(question: str) -> str:
    """The answer in Markdown, the same for the same question."""
    return _small_talk(question) or arithmetic.worked_out(question) or _looked_up(question)


def needs_no_tool(question: str) -> bool:
    """Whether a question is small talk, a sum, or plainly about llm_magics itself."""
    if _PLAIN.search(question) or _small_talk(question) or arithmetic.worked_out(question):
        return True
    found = guide.guide().matches(question)[:1]
    return bool(found) and found[0].coverage >= 0.75 and found[0].score >= 0.4


def lead(question: str) -> str:
    """One paragraph instead of a page, for the places where only that much fits."""
    found = _found(question)
    return found[0].section.lead() if found else _small_talk(question) or arithmetic.worked_out(question) or _UNKNOWN


def as_object(question: str) -> dict[str, object]:
    """The answer for those who asked for JSON without saying which."""
    found = _found(question)
    title = found[0].section.title if found else None
    return {"question": question, "answer": lead(question), "section": title, "see_also": _others(question)}


def as_code(question: str) -> str:
    """A line of prose and one runnable block of Python, about the question where an example fits."""
    section = _example(question)
    return f"A small example from the offline demo model: {section.title}.\n\n```python\n{section.python()}\n```"


_UNKNOWN = "I only know the llm_magics guide, and your question is not answered there."


def _small_talk(question: str) -> str | None:
    said = " ".join(question.split())
    if not said:
        return f"You have not asked anything yet. {_topics()}"
    if len(said) > _LONGEST_TALK:
        return None
    if _GREETING.fullmatch(said):
        return "Hello! Ask me anything about llm_magics, for example *How do I choose a model?*"
    if _THANKS.fullmatch(said):
        return "You are welcome!"
    if _PARTING.fullmatch(said):
        return "Goodbye!"
    if _ABILITIES.fullmatch(said):
        return f"I look things up in the llm_magics guide, do simple sums, and call tools I am offered. {_topics()}"
    return None


def _topics() -> str:
    titles = "\n".join(f"- {section.title}" for section in guide.guide().sections)
    return f"Here is what I can tell about:\n\n{titles}"


def _found(question: str) -> list[guide.Match]:
    """The sections that meet the question, the best first."""
    # what surrounds a question may be about anything, so it is also taken by itself
    sentences = re.findall(r"[^.!?\n]+[.!?\n]?", question)
    for asked in [question, *[sentence for sentence in sentences if sentence.endswith("?")][-3:]]:
        found = guide.guide().matches(asked)
        # a name that belongs to llm_magics may be all that matters
        if found and (_PLAIN.search(asked) or (found[0].coverage >= _MET and found[0].score >= _MEANT)):
            return found
    return []


def _others(question: str) -> list[str]:
    """Two further sections that belong to the subject."""
    found = _found(question)
    near = guide.guide().near(found[0].section, question)[:2] if found else []
    return [section.title for section in near]


def _looked_up(question: str) -> str:
    found = _found(question)
    program = _program(question)
    if program and (not found or program.score > found[0].score):
        return f"This is not in the llm_magics guide, but here is a small example.\n\n{program.section.body}"
    if not found:
        return f"I only know the llm_magics guide; your question is not answered there. {_topics()}"
    section = found[0].section
    see_also = ", ".join(f"*{title}*" for title in _others(question))
    ending = f"\n\nSee also: {see_also}." if see_also else ""
    return f"**{section.title}**\n\n{section.body}{ending}"


def _program(question: str) -> guide.Match | None:
    """An example program whose title speaks of what is asked."""
    found = guide.examples().matches(question)[:1]
    if not found or found[0].coverage < _MET or not set(words.stems(question)) & _own_words(found[0].section):
        return None
    return found[0]


def _own_words(section: guide.Section) -> set[str]:
    return set(words.stems(section.title)) - {words.stem(word) for word in ("number", "text", "list", "file", "python")}


def _example(question: str) -> guide.Section:
    program = _program(question)
    described = [match for match in _found(question) if match.section.python()][:1]
    if program and (not described or program.score >= described[0].score):
        return program.section
    if described and described[0].score >= 0.5 * _found(question)[0].score:
        return described[0].section
    return next(section for section in guide.examples().sections if section.title == _DEFAULT_EXAMPLE)
