"""A magic's line: words, quotes, options, and mistakes told in one line."""

from __future__ import annotations

import time
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from llm_magics.lines import LineMistake, check_typing, parse, words
from llm_magics.magics import LLMMagics
from llm_magics.parsers import parser_of

PROMPT = parser_of(LLMMagics.llm)
CONFIG = parser_of(LLMMagics.llm_config)


def asked(line: str) -> tuple[dict[str, Any], str]:
    """The options that a line gives, and its prompt."""
    options, rest = parse(PROMPT, line, rest=True, several=False)
    return {name: value for name, value in vars(options).items() if value not in (None, False)}, rest


def configured(line: str) -> list[str]:
    """The words of a settings line."""
    options, rest = parse(CONFIG, line)
    assert rest == ""
    return list(options.settings)


def mistake(line: str, *, config: bool = False) -> str:
    with pytest.raises(LineMistake) as caught:
        parse(CONFIG if config else PROMPT, line, rest=not config, several=config)
    said = str(caught.value)
    assert "\n" not in said
    return said


OPTIONS: dict[str, tuple[str, dict[str, Any], str]] = {
    "nothing": ("", {}, ""),
    "a prompt": ("Why is the sky blue?", {}, "Why is the sky blue?"),
    "short options": ("-m far -t 0.2 Why?", {"model": ["far"], "temperature": "0.2"}, "Why?"),
    "long options": ("--model far --max-tokens 5 Why?", {"model": ["far"], "max_tokens": "5"}, "Why?"),
    "an equals sign": ("--model=far --param=a=b Why?", {"model": ["far"], "param": ["a=b"]}, "Why?"),
    "a short option's equals sign": ("-t=0.2 Why?", {"temperature": "0.2"}, "Why?"),
    "a flag": ("--dry-run --no-stream Why?", {"dry_run": True, "no_stream": True}, "Why?"),
    "a negative value": ("-t -1 Why?", {"temperature": "-1"}, "Why?"),
    "repeated": ("--param a=1 --param b=2", {"param": ["a=1", "b=2"]}, ""),
    "double quotes": ('-s "Be brief." Why?', {"system": "Be brief."}, "Why?"),
    "single quotes": ("-s 'Say \"yes\".' Why?", {"system": 'Say "yes".'}, "Why?"),
    "an escaped quote": (r'-s "Say \"yes\"." Why?', {"system": 'Say "yes".'}, "Why?"),
    "quotes in the middle": (
        '--system="Be brief." --param stop=\'["a b"]\'',
        {"system": "Be brief.", "param": ['stop=["a b"]']},
        "",
    ),
    "an open bracket in quotes": ('--param "stop={" Why?', {"param": ["stop={"]}, "Why?"),
    "an empty value": ('--system="" Why?', {"system": ""}, "Why?"),
    "a dash in quotes": ('-s "-x" Why?', {"system": "-x"}, "Why?"),
    "a dash behind an equals sign": ("--system=--x Why?", {"system": "--x"}, "Why?"),
    "a Windows path": (r"--to C:\new\table Why?", {"to": r"C:\new\table"}, "Why?"),
    "a Windows path in quotes": (r'--to "C:\new folder\table" Why?', {"to": r"C:\new folder\table"}, "Why?"),
    "a path that ends in a backslash": ('--to "C:\\new\\" Why?', {"to": "C:\\new\\"}, "Why?"),
    "a no-break space": ("-m\u00a0far\u00a0Why?", {"model": ["far"]}, "Why?"),
    "quotes of the prompt": ('-m far It\'s "so" and C:\\x\\', {"model": ["far"]}, 'It\'s "so" and C:\\x\\'),
    "options inside the prompt": ("Explain -m and --model=x", {}, "Explain -m and --model=x"),
    "a prompt that begins with a number": ("-5 + 3?", {}, "-5 + 3?"),
    "a prompt that begins with a dash": ("- one item", {}, "- one item"),
    "a prompt that begins with a quote": ("'-m' is what?", {}, "'-m' is what?"),
    "a prompt that begins with a long dash": ("—who said that?", {}, "—who said that?"),
    "the end of the options": ("-m far -- --help what does it do", {"model": ["far"]}, "--help what does it do"),
    "typographic quotes in a value": ('-s "don’t “shout”" Why?', {"system": "don’t “shout”"}, "Why?"),
}


@pytest.mark.parametrize(("line", "options", "rest"), OPTIONS.values(), ids=OPTIONS)
def test_options_are_read_and_the_rest_is_kept_as_it_stands(line: str, options: dict[str, Any], rest: str) -> None:
    expected = {name: value for name, value in options.items() if value not in (None, False)}
    assert asked(line) == (expected, rest)


def test_the_words_of_a_settings_line_are_taken_one_by_one() -> None:
    assert configured("far temperature=0.2 system=\"Be brief.\" base_url='http://a/b c' -5") == [
        "far",
        "temperature=0.2",
        "system=Be brief.",
        "base_url=http://a/b c",
        "-5",
    ]


def test_an_optional_value_may_be_missing() -> None:
    assert parse(CONFIG, "--models")[0].models == "*"
    assert parse(CONFIG, "--models mini")[0].models == "mini"
    assert parse(CONFIG, "--models --save")[0].save


def test_words_know_where_they_stand() -> None:
    assert [(word.text, word.start, word.end) for word in words(' a "b c"d  e')] == [
        ("a", 1, 2),
        ("b cd", 3, 9),
        ("e", 11, 12),
    ]


MISTAKES = {
    "a misspelt option": ("--modle far", "unknown option '--modle'. Did you mean '--model'?"),
    "an option nobody has": ("--qqq", "unknown option '--qqq'. Known: --"),
    "a value without a blank": ("-t0.2 Why?", "-t0.2 is not an option; put a blank behind -t: -t 0.2."),
    "no value at the end": ("-m", "-m needs a value: -m MODEL."),
    "an option as the value": ("-m --dry-run Why?", "-m needs a value: -m MODEL."),
    "a misspelt option as the value": ("-m --modle far", "-m needs a value"),
    "given twice": ("-m a --model b", "--model is given twice: 'a', then 'b'."),
    "a flag with a value": ("--dry-run=yes", "--dry-run takes no value: write --dry-run alone."),
    "an open quote": ('-s "Be brief', 'the " at column 4 is never closed.'),
    "an open quote behind others": ("-s 'a' --to 'b", "the ' at column 13 is never closed."),
    "a choice nobody has": ("--as html Why?", "--as: 'html' is not one of "),
    "a key": ("--api-key sk-secret Why?", "--api-key does not belong on this line"),
    "a key with an equals sign": ("--api_key=sk-secret Why?", "--api_key does not belong on this line"),
    "a token": ("--token sk-secret Why?", "--token does not belong on this line"),
    "typographic quotes": (
        "-s “Be brief” Why?",
        'the character U+201C (“) at column 4 is typographic; type " instead.',
    ),
    "a typographic dash": (
        "-m far —to x Why?",
        "the character U+2014 (—) at column 8 is typographic; type -- instead.",
    ),
    "a short typographic dash": ("–m far Why?", "the character U+2013 (–) at column 1 is typographic"),
}


@pytest.mark.parametrize(("line", "said"), MISTAKES.values(), ids=MISTAKES)
def test_a_mistake_says_what_where_and_what_to_do(line: str, said: str) -> None:
    complaint = mistake(line)
    assert complaint.startswith(said)
    assert "sk-secret" not in complaint


def test_typographic_characters_among_settings_are_named_with_their_column() -> None:
    assert "U+201C (“) at column 8" in mistake("system=“Be brief”", config=True)
    assert "U+2014 (—) at column 1" in mistake("—save", config=True)
    assert configured('system="don’t"') == ["system=don’t"]
    with pytest.raises(LineMistake, match="column 6"):
        check_typing('"a’" —b')


ALPHABET = st.sampled_from(
    [*"\"'\\ =-—“’\t\u00a0ax0", "--model", "-m", "--param", "--as", "--dry-run", "--", "=", "far"]
)


@given(st.one_of(st.text(), st.lists(ALPHABET).map("".join), st.lists(ALPHABET).map(" ".join)))
@example("--as=\n")
@example("-m \\")
@example('"-m" "--save"')
def test_any_line_is_read_or_is_a_line_mistake(line: str) -> None:
    for parser, rest in ((PROMPT, True), (CONFIG, False)):
        try:
            parse(parser, line, rest=rest)
        except LineMistake as error:
            assert "\n" not in str(error)


@given(st.text().filter(lambda text: text.strip() == text and not text.startswith(("-", "—", "–", "−"))))
def test_a_prompt_behind_options_is_kept_letter_by_letter(prompt: str) -> None:
    assert asked(f"-m far -t 0.2 {prompt}")[1] == prompt


@given(
    st.text(st.characters(exclude_characters='"\n', exclude_categories=["Cs"])).filter(
        lambda text: not text.endswith("\\")
    )
)
def test_a_quoted_value_is_kept_letter_by_letter(value: str) -> None:
    assert asked(f'--system="{value}" Why?')[0].get("system", "") == value


def test_a_long_line_does_not_take_long() -> None:
    begun = time.thread_time()
    for line in ("-m " + "'" * 20_001, '"\\' * 20_000, "a " * 20_000, "--param a=b " * 3_000, "-" * 50_000):
        for parser, rest in ((PROMPT, True), (CONFIG, False)):
            try:
                parse(parser, line, rest=rest)
            except LineMistake as error:
                assert len(str(error)) < 1_000
    assert time.thread_time() - begun < 3
