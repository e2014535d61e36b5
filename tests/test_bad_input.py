"""What people type wrong: each mistake is told in one exact line, nothing is sent, and the next cell works.

Bad files, keys and values have files of their own. Bad input for what is no line, setting, file or prompt (tables that
are mapped over, comparisons, tools, templates, prices, history, pictures, servers of tools) is tested beside those.
"""

from __future__ import annotations

import time

import pytest
from far_end import HELLO, FarEnd
from mistakes import CANARY, SECONDS, mistake, nothing_sent, sent
from shells import Shell

from llm_magics import load_ipython_extension, unload_ipython_extension
from llm_magics.endpoints import providers
from llm_magics.magics import LLMMagics
from llm_magics.parsers import parser_of

LONG = "x" * 500
CUT = "x" * 58 + "…"  # how a long text is repeated, behind its quote
KNOWN = f"Known: {', '.join(provider.name for provider in providers.providers())}, demo, far."
OPTIONS = f"Known: {', '.join(sorted(o for a in parser_of(LLMMagics.llm)._actions for o in a.option_strings))}."
EMPTY = "the prompt is empty: nothing was sent. Write it below the %%llm line, or after %llm."
TOKENS = "is not usable; it takes a whole number from 1 to 2 147 483 647."
URL = "is not usable; it takes a URL such as http://localhost:8000/v1"
NO_KEY_HERE = (
    "does not belong on this line: it would be saved in the notebook and in IPython's history. Set the key in the "
    "environment, or type it with %llm_config --ask-key NAME. If that was a real key, clear this cell."
)
BELOW = "The prompt goes below the %%llm line."
BRACES = "To send the braces as they are, use --raw."


# ---------------------------------------------------------------- lines of %%llm and %llm

LINES = {
    # options
    "a misspelt option": ("%%llm --modle gpt-4o\nHi", "unknown option '--modle'. Did you mean '--model'?"),
    "an abbreviated option": ("%%llm --temp 0.2\nHi", "unknown option '--temp'. Did you mean '--temperature'?"),
    "another": ("%%llm --max 5\nHi", "unknown option '--max'. Did you mean '--max-tokens'?"),
    "an option nobody has": ("%%llm --qqq\nHi", f"unknown option '--qqq'. {OPTIONS}"),
    "a long option": (f"%%llm --{LONG}\nHi", f"unknown option '--{CUT[2:]}. {OPTIONS}"),
    "an option twice": ("%%llm -m a --model b\nHi", "--model is given twice: 'a', then 'b'."),
    "a flag twice": ("%%llm --raw --raw\nHi", "--raw is given twice."),
    "a parameter twice": ("%%llm --param seed=1 --param seed=2\nHi", "seed is given twice: '1', then '2'."),
    "a parameter and its option": (
        "%%llm -t 0.2 --param temperature=0.3\nHi",
        "temperature is given twice: '0.2', then '0.3'.",
    ),
    "no judge": ("%%llm -n 2 --judge '' short\nHi", "--judge needs a model: --judge MODEL CRITERIA."),
    "no value at the end": ("%%llm --model\nHi", "--model needs a value: --model MODEL."),
    "no value before another option": ("%%llm --to --raw\nHi", "--to needs a value: --to NAME."),
    "an empty model": ("%%llm -m ''\nHi", "--model needs a value: --model MODEL."),
    "a value of a flag": ("%%llm --dry-run=yes\nHi", "--dry-run takes no value: write --dry-run alone."),
    "no blank before the value": ("%%llm -t0.2\nHi", "-t0.2 is not an option; put a blank behind -t: -t 0.2."),
    "no value of a parameter": ("%%llm --param seed\nHi", "--param seed needs a value: --param seed=VALUE."),
    "an unknown parameter": (
        "%%llm --param temprature=1\nHi",
        "--param: unknown setting 'temprature'. Did you mean 'temperature'?",
    ),
    "an unknown format": ("%%llm --as xml\nHi", "--as: 'xml' is not one of 'markdown', 'text', 'code', 'json'."),
    "a long format": (f"%%llm --as {LONG}\nHi", f"--as: '{CUT} is not one of 'markdown', 'text', 'code', 'json'."),
    # no prompt, and words that are none
    "blanks as the prompt": ("%%llm\n   \n\t\n", EMPTY),
    "only options": ("%%llm -t 0.2 --raw\n  \n", EMPTY),
    "nothing behind the line magic": ("%llm", EMPTY),
    "only options behind the line magic": ("%llm -t 0.2", EMPTY),
    "an empty value as the prompt": ("%%llm\n{{ '' }}", "the prompt is empty: nothing was sent."),
    "a word": (
        "%%llm gpt-4o\nHi",
        "unexpected word 'gpt-4o': the prompt goes below the %%llm line, and a model behind -m.",
    ),
    "a model's name": ("%%llm demo\nHi", f"unexpected word 'demo': to ask that model, write -m demo. {BELOW}"),
    "a setting": (
        "%%llm temperature=0.2\nHi",
        f"unexpected word 'temperature=0.2': write --param temperature=0.2. {BELOW}",
    ),
    "a long word": (
        f"%%llm {LONG}\nHi",
        f"unexpected word '{CUT}: the prompt goes below the %%llm line, and a model behind -m.",
    ),
    # values
    "a warm word": ("%%llm --temperature hot\nHi", "temperature: 'hot' is not usable; it takes a number from 0 to 2."),
    "too hot": ("%%llm --temperature 9\nHi", "temperature: 9 is not usable; it takes a number from 0 to 2."),
    "a long value": (f"%%llm -t {LONG}\nHi", f"temperature: '{CUT} is not usable; it takes a number from 0 to 2."),
    "half a token": ("%%llm --max-tokens 1.5\nHi", f"max_tokens: 1.5 {TOKENS}"),
    "a thousand tokens": ("%%llm --max-tokens 1k\nHi", f"max_tokens: '1k' {TOKENS}"),
    "too many tokens": (f"%%llm --max-tokens {10**30}\nHi", f"max_tokens: {10**30} {TOKENS}"),
    "no tokens": ("%%llm --max-tokens 0\nHi", f"max_tokens: 0 {TOKENS}"),
    "a word as a time": ("%%llm --param timeout=abc\nHi", f"timeout: 'abc' {SECONDS}"),
    "time before now": ("%%llm --param timeout=-1\nHi", f"timeout: -1 {SECONDS}"),
    "no time": ("%%llm --param timeout=0\nHi", f"timeout: 0 {SECONDS}"),
    "no number": ("%%llm --param timeout=nan\nHi", f"timeout: 'nan' {SECONDS}"),
    "time without end": ("%%llm --param timeout=inf\nHi", f"timeout: 'inf' {SECONDS}"),
    "a number too large for one": ("%%llm --param timeout=1e309\nHi", f"timeout: 1e309 {SECONDS}"),
    "a whole number too large": (f"%%llm --param timeout={'1' * 400}\nHi", f"timeout: {'1' * 59}… {SECONDS}"),
    "a truth as a time": ("%%llm --param timeout=true\nHi", f"timeout: true {SECONDS}"),
    # quotes, dashes and blanks
    "an open quote": ('%%llm -s "Be brief\nHi', 'the " at column 10 is never closed.'),
    "an open quote behind others": ("%%llm -s 'a' --to 'b\nHi", "the ' at column 19 is never closed."),
    "an open quote in the line magic": ('%llm -s "Be brief', 'the " at column 9 is never closed.'),
    "a long dash": ("%%llm —model far\nHi", "the character U+2014 (—) at column 7 is typographic; type -- instead."),
    "a shorter dash": (
        "%%llm -t 0 –m far\nHi",
        "the character U+2013 (–) at column 12 is typographic; type - instead.",
    ),
    "a minus": ("%%llm −m far\nHi", "the character U+2212 (−) at column 7 is typographic; type - instead."),
    "a hyphen": ("%%llm -‐model far\nHi", "the character U+2010 (‐) at column 8 is typographic; type - instead."),
    "a dash in the line magic": (
        "%llm —model far Hi",
        "the character U+2014 (—) at column 6 is typographic; type -- instead.",
    ),
    "quotes of a word processor": (
        "%%llm -s “Be brief”\nHi",
        'the character U+201C (“) at column 10 is typographic; type " instead.',
    ),
    "the same behind an equals sign": (
        "%%llm --system=‘Be brief’\nHi",
        "the character U+2018 (‘) at column 16 is typographic; type ' instead.",
    ),
    "quotes of another language": (
        "%%llm --param stop=«END»\nHi",
        'the character U+00AB («) at column 20 is typographic; type " instead.',
    ),
    "an equals sign of another width": (
        "%%llm --param seed＝5\nHi",
        "the character U+FF1D (＝) at column 19 is typographic; type = instead.",
    ),
    "a blank nobody sees": (
        "%%llm -m far\u200b\nHi",
        rf"no model 'far\u200b' in the configuration. Did you mean 'far'? {KNOWN}",
    ),
    "a system prompt without quotes": (
        "%%llm -s Be brief.\nHi",
        "unexpected word 'brief.': quote what has blanks, as in -s \"Be brief.\". "
        "The prompt goes below the %%llm line.",
    ),
    "a comment behind a model": (
        "%%llm -m far # the best\nHi",
        "this line takes no comments: leave out '# the best'.",
    ),
    # keys
    "a key": (f"%%llm --api-key {CANARY}\nHi", f"--api-key {NO_KEY_HERE}"),
    "a token": (f"%%llm --token={CANARY}\nHi", f"--token {NO_KEY_HERE}"),
    "a misspelt key": (f"%%llm --api-kye {CANARY}\nHi", f"--api-kye {NO_KEY_HERE}"),
    "a key as a setting": (f"%%llm api_key={CANARY}\nHi", f"api_key {NO_KEY_HERE}"),
    "a key as a parameter": (f"%%llm --param api_key={CANARY}\nHi", f"api_key {NO_KEY_HERE}"),
    "a key as a word": (
        f"%%llm {CANARY}\nHi",
        "unexpected word '***': the prompt goes below the %%llm line, and a model behind -m.",
    ),
    "a key as a model": (
        f"%%llm -m {CANARY}\nHi",
        f"no model '***' in the configuration. {KNOWN} Another model of an endpoint is written NAME/***.",
    ),
    "a key as a number": (
        f"%%llm -t {CANARY}\nHi",
        "temperature: '***' is not usable; it takes a number from 0 to 2.",
    ),
    # models
    "a key where a message is cut": (
        f"%%llm -m '{LONG[:50]} {CANARY}'\nHi",
        f"no model '{LONG[:50]} ***' in the configuration. {KNOWN} Another model of an endpoint is written "
        f"NAME/{LONG[:39]}….",
    ),
    "two dashes as a number": (
        '%%llm --max-tokens "--"\nHi',
        f"max_tokens: '--' {TOKENS}",
    ),
    "a misspelt model": (
        "%%llm -m fra\nHi",
        f"no model 'fra' in the configuration. Did you mean 'far'? {KNOWN} Another model of an endpoint is written "
        "NAME/fra.",
    ),
    "a long model": (
        f"%%llm -m {LONG}\nHi",
        f"no model '{CUT} in the configuration. {KNOWN} Another model of an endpoint is written NAME/{LONG[:39]}….",
    ),
    "a parameter as an option": ("%%llm --top-p 1\nHi", "--top-p is not an option; write --param top_p=VALUE."),
    "a format as an option": ("%%llm --json\nHi", "--json is not an option; write --as json."),
    "a cry for help": ("%%llm -h\nHi", "-h is not an option; %llm? and %llm_config? explain what there is."),
    "a parameter without a value": ("%%llm --param seed=\nHi", "seed needs a value: seed=VALUE."),
    "a model as a parameter": ("%%llm --param model=far\nHi", "--param model: write -m MODEL."),
    "a system prompt as a parameter": ("%%llm --param system=x\nHi", "--param system: write -s SYSTEM."),
    # variables
    "a target that is no name": ("%%llm --to 1x\nHi", "--to: '1x' is not a variable name."),
    "a target without a name": ("%%llm --to ''\nHi", "--to: '' is not a variable name."),
    "an attribute as the target": ("%%llm --to a.b\nHi", "--to: 'a.b' is not a variable name."),
    "a path as the target": (r"%%llm --to C:\new\table" + "\nHi", r"--to: 'C:\\new\\table' is not a variable name."),
    "a long target": (f"%%llm --to {LONG}.x\nHi", f"--to: '{CUT} is not a variable name."),
    "a keyword": ("%%llm --to class\nHi", "--to: 'class' is a keyword of Python; choose another name."),
    "a builtin": (
        "%%llm --to list\nHi",
        "--to: 'list' is a builtin of Python, which it would hide; choose another name.",
    ),
    "a builtin in wide letters": (
        "%%llm --to ｌｉｓｔ\nHi",
        "--to: 'ｌｉｓｔ' is a builtin of Python, which it would hide; choose another name.",
    ),
    "the history of inputs": (
        "%%llm --to In\nHi",
        "--to: 'In' is a name that IPython sets itself; choose another one.",
    ),
    "the last value": ("%%llm --to _\nHi", "--to: '_' is a name that IPython sets itself; choose another one."),
    "the last answer": ("%%llm --to _llm\nHi", "--to: '_llm' is a name that IPython sets itself; choose another one."),
    "a numbered output": ("%%llm --to _12\nHi", "--to: '_12' is a name that IPython sets itself; choose another one."),
    # braces
    "an undefined name": (
        "%%llm\nA {{ sales }}",
        "'sales' (line 1, column 3 of the prompt) is not defined; nothing was sent. Did you mean 'sales_df'?",
    ),
    "a name like no other": (
        "%%llm\nfirst\n  {{ nobody }}",
        f"'nobody' (line 2, column 3 of the prompt) is not defined; nothing was sent. {BRACES}",
    ),
    "a template's statement": (
        "%%llm\n{{ for x in y }}",
        f"'{{{{ for x in y }}}}' (line 1, column 1 of the prompt) is not a Python expression. {BRACES}",
    ),
    "open braces": (
        "%%llm\nA {{ sales_df",
        "{{ without }} (line 1, column 3 of the prompt). Close it, or send the braces as they are with --raw.",
    ),
    "an expression that fails": (
        "%%llm\n{{ 1 / 0 }}",
        "{{ 1 / 0 }} (line 1, column 1 of the prompt) raised ZeroDivisionError: division by zero. Nothing was sent.",
    ),
    "an expression that waits": (
        "%%llm\n{{ await f() }}",
        "{{ await f() }} (line 1, column 1 of the prompt) cannot wait: put it into a variable in a cell before this "
        "one, and the variable here. Nothing was sent.",
    ),
    "an expression that leaves": (
        "%%llm\n{{ leave() }}",
        "{{ leave() }} (line 1, column 1 of the prompt) raised SystemExit: 3. Nothing was sent.",
    ),
}


@pytest.mark.parametrize(("cell", "said"), LINES.values(), ids=LINES)
def test_a_line_that_is_wrong_is_told_in_one_line(far_shell: Shell, far: FarEnd, cell: str, said: str) -> None:
    far_shell.run("import sys\nsales_df = 3\ndef leave(): sys.exit(3)")
    with nothing_sent(far_shell, far):
        began = time.monotonic()
        assert mistake(far_shell.run(cell)) == said
        assert time.monotonic() - began < 5


# ---------------------------------------------------------------- cells in the wrong place

MISPLACED = (
    "and works only in the first line of a cell: give the prompt a cell of its own, or write answer = %llm PROMPT"
)
ONE_LINE = (
    "%llm takes its prompt from the same line, and there is none: to write it on the lines below, begin the cell with "
    "%%llm."
)
PLACES = {
    "inside a function": (
        "def f():\n    %%llm\n    Why?\nf()",
        f"%%llm stands in line 2, {MISPLACED} among other code.",
    ),
    "inside a loop": ("for n in [1]:\n    %%llm\n    Hi", f"%%llm stands in line 2, {MISPLACED} among other code."),
    "behind other code": (
        "x = 1\n\n%%llm\nWhy is the sky blue?",
        f"%%llm stands in line 3, {MISPLACED} among other code.",
    ),
    "behind a comment": ("# ask\n%%llm\nIt's what?", f"%%llm stands in line 2, {MISPLACED} among other code."),
    "twice": (
        "%%llm\n%%llm\nHi",
        "the cell begins with %%llm twice: write it once, and the prompt on the lines below.",
    ),
    "the line magic for a cell": ("%llm\nWhy is the sky blue?", ONE_LINE),
    "the same with options": ("%llm -m far -t 0\nWhy is the sky blue?", ONE_LINE),
}


@pytest.mark.parametrize(("cell", "said"), PLACES.values(), ids=PLACES)
def test_a_prompt_in_the_wrong_place_is_told_where_it_belongs(
    far_shell: Shell, far: FarEnd, cell: str, said: str
) -> None:
    with nothing_sent(far_shell, far):
        assert mistake(far_shell.run(cell)) == said


@pytest.mark.parametrize("cell", ["%%llm\n", "%%llm Hi", "%%llm_config\nx", "%%LLM\nHi", "%% llm\nHi", "%llm_confg"])
def test_what_ipython_refuses_by_itself_is_one_line_too(far_shell: Shell, far: FarEnd, cell: str) -> None:
    with nothing_sent(far_shell, far):
        assert "\n" not in mistake(far_shell.run(cell))


@pytest.mark.parametrize(
    "cell", ["text = '''\n%%llm\nHi\n'''", 'text = f"""a\n  %%llm\nHi"""', "text = ['''\n%%llm''',\n5]"]
)
def test_a_text_of_pythons_may_hold_a_prompt(far_shell: Shell, far: FarEnd, cell: str) -> None:
    with nothing_sent(far_shell, far):
        assert far_shell.run(cell).error is None
    assert "%%llm" in far_shell["text"][0] + str(far_shell["text"])


@pytest.mark.parametrize(
    "cell", ["%%time\n%%llm\nHi", "\n\n%%llm\nHi", "  %%llm\n  Hi", "  %%llm\nHi", "%%capture c\n%%llm\nHi"]
)
def test_a_prompt_may_stand_in_another_magics_cell_and_behind_blanks(far_shell: Shell, far: FarEnd, cell: str) -> None:
    assert far_shell.run(cell).error is None
    assert far.chats[-1].body["messages"] == [{"role": "user", "content": "Hi"}]


def test_a_statement_shows_its_answer_and_an_assignment_does_not(far_shell: Shell, far: FarEnd) -> None:
    assert far_shell.run("for n in range(2):\n    %llm What is {{ n }}?").text == f"{HELLO}\n" * 2
    assert far_shell.run("def f():\n    %llm Hi\n    return 1\nx = f()").text == f"{HELLO}\n"
    assert far_shell.run("for n in range(2):\n    x = %llm What is {{ n }}?").text == ""
    assert far_shell.run("for n in range(2):\n    %llm What is {{ n }};").text == ""
    done = far_shell.run("%llm One\nx = %llm Two\n%llm Three")
    assert (done.text.count(HELLO), done.value.content) == (2, HELLO)
    assert far.chats[-1].body["messages"][0]["content"] == "Three"


def test_another_extensions_magic_is_replaced_with_a_word_and_given_back(far_shell: Shell, far: FarEnd) -> None:
    ip = far_shell.ip
    unload_ipython_extension(ip)

    def theirs(line: str, cell: str) -> str:
        return "theirs"

    ip.register_magic_function(theirs, "cell", "llm")
    said = far_shell.run("import llm_magics\nllm_magics.load_ipython_extension(get_ipython())").errors
    assert said == f"%%llm of {__name__} is replaced; %unload_ext llm_magics gives it back.\n"
    unload_ipython_extension(ip)
    assert far_shell.run("%%llm\nHi").value == "theirs"
    load_ipython_extension(ip)
    ip.register_magic_function(theirs, "cell", "llm")
    unload_ipython_extension(ip)
    assert far_shell.run("%%llm\nHi").value == "theirs"


def test_loading_again_and_again_changes_nothing(far_shell: Shell, far: FarEnd) -> None:
    transformers = len(far_shell.ip.input_transformers_cleanup)
    for line in ("%load_ext llm_magics", "%reload_ext llm_magics", "%load_ext llm_magics", "%reload_ext llm_magics"):
        assert far_shell.run(line).error is None
    assert len(far_shell.ip.input_transformers_cleanup) == transformers
    assert far_shell.run("%%llm\nHi").text == f"{HELLO}\n"


# ---------------------------------------------------------------- what looks wrong and is not


PROMPTS = {
    "options below the first line": ("%%llm\n--model x\n-t 9", "--model x\n-t 9"),
    "commands": ("%%llm\n!ls\n%pwd\n%%time", "!ls\n%pwd\n%%time"),
    "a question mark": ("%%llm\nprint?", "print?"),
    "a dash": ("%llm - one item", "- one item"),
    "options behind two dashes": ("%llm -t 0 -- --model x", "--model x"),
    "a blank that breaks no line": ("%%llm -m\u00a0far\u00a0-t\u20030\nHi", "Hi"),
    "the same behind the name": ("%%llm\u00a0-m far\nHi", "Hi"),
    "the same in the line magic": ("%llm\u00a0Hi there", "Hi there"),
    "lines that end as on Windows": ("%%llm -m far\r\nHi\r\nthere\r\n", "Hi\nthere"),
    "tabs and text from right to left": ("%%llm\n\tשלום\u202e", "\tשלום\u202e"),
    "JSON": ('%%llm\n{"a": {"b": [1, {"c": 2}]}}', '{"a": {"b": [1, {"c": 2}]}}'),
    "LaTeX": ("%%llm\n$\\frac{a}{b}$ {x.__class__} {f()}", "$\\frac{a}{b}$ {x.__class__} {f()}"),
    "text between long dashes": ("%%llm\nWhat is “this” — here?", "What is “this” — here?"),
}


@pytest.mark.parametrize(("cell", "prompt"), PROMPTS.values(), ids=PROMPTS)
def test_a_prompt_is_sent_as_it_stands(far_shell: Shell, far: FarEnd, cell: str, prompt: str) -> None:
    assert sent(far_shell, far, cell) == prompt


def test_a_variables_name_is_read_as_python_reads_it(far_shell: Shell, far: FarEnd) -> None:
    far_shell.run("%%llm --to ﬁ\nHi")
    assert far_shell.run("print(fi == ﬁ, fi)").text == f"True {HELLO}\n"
    far_shell.run("%%llm --to résumé\nHi")
    assert far_shell.run("print(résumé)").text == f"{HELLO}\n"


REPLACED = {
    "half a character": ("%%llm\nA\ud83dB", "A\ufffdB", "1 character"),
    "two of them, and a NUL": ("%%llm\nA\udc00\ud83dB\x00C", "A\ufffd\ufffdB\ufffdC", "3 characters"),
    "in a text": ("%%llm\n{{ s }}", "x\ufffdy", "1 character"),
    "in a frame": ("%%llm\n{{ df }}", "a\nx\ufffdy\nn\ufffdl\n", "2 characters"),
}


@pytest.mark.parametrize(("cell", "prompt", "count"), REPLACED.values(), ids=REPLACED)
def test_what_no_text_can_hold_is_replaced_and_said(
    far_shell: Shell, far: FarEnd, cell: str, prompt: str, count: str
) -> None:
    far_shell.run("import pandas\ns = 'x\\ud83dy'\ndf = pandas.DataFrame({'a': [s, 'n\\x00l']}, dtype=object)")
    done = far_shell.run(cell)
    assert far.chats[-1].body["messages"][-1]["content"] == prompt
    assert done.text == f"({count} of the prompt cannot be sent, and became U+FFFD)\n{HELLO}\n"


def test_whole_characters_are_sent_as_they_are(far_shell: Shell, far: FarEnd) -> None:
    done = far_shell.run("%%llm\n😀 {{ chr(0xd83d) + chr(0xde00) }}")
    assert far.chats[-1].body["messages"][-1]["content"] == "😀 😀"
    assert done.text == f"{HELLO}\n"


def test_a_very_long_prompt_is_refused_with_the_limit_and_a_long_one_is_sent(far_shell: Shell, far: FarEnd) -> None:
    with nothing_sent(far_shell, far):
        assert mistake(far_shell.run("%%llm\n" + "x" * 20_000_000)) == (
            "the prompt has 20,000,000 characters (≈ 5,000,000 tokens), more than the 10,000,000 that one may have: "
            "put a part of it. Nothing was sent."
        )
    assert len(sent(far_shell, far, "%%llm\n" + "x\n" * 1_000_000)) == 1_999_999


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("stop=['a b', 'c']", ["a b", "c"]),
        ('stop=["a b","c"]', ["a b", "c"]),
        ("response_format={'type': 'json_object'}", {"type": "json_object"}),
        ("chat_template_kwargs={'enable_thinking': False, 'n': None}", {"enable_thinking": False, "n": None}),
        ("guided_regex=[a-z]+[0-9]", "[a-z]+[0-9]"),
        ("guided_regex=[a-z]", "[a-z]"),
        ("stop={", "{"),
        ("grammar={'a': open('x')}", "{'a': open('x')}"),
    ],
)
def test_a_list_or_table_may_be_written_as_python_writes_it(
    far_shell: Shell, far: FarEnd, written: str, value: object
) -> None:
    key = written.partition("=")[0]
    for cell in (f"%%llm --param {written}\nHi", f"%llm_config {written}", "%llm Hi"):
        assert far_shell.run(cell).error is None
    assert [chat.body[key] for chat in far.chats] == [value, value]


# ---------------------------------------------------------------- lines of %llm_config

SETTINGS = {
    "a misspelt setting": ("temprature=1", "unknown setting 'temprature'. Did you mean 'temperature'?"),
    "a setting without a name": ("=5", "'=5': write KEY=VALUE without blanks."),
    "blanks around the equals sign": ("temperature = 0.5", "'temperature = 0.5': write KEY=VALUE without blanks."),
    "a blank before it": ("temperature =0.5", "'temperature =0.5': write KEY=VALUE without blanks."),
    "a blank behind it": ("temperature= 0.5", "temperature needs a value: temperature=VALUE."),
    "no file": ("--file ''", "--file needs a value: --file PATH."),
    "no name to add": ("--add ''", "--add needs a value: --add NAME."),
    "no pattern": ("--models ''", "--models needs a value: --models PATTERN."),
    "nobody's key": ("--ask-key ''", "--ask-key needs a value: --ask-key NAME."),
    "a key for the demo": ("--ask-key demo/brief", "--ask-key demo/brief: this model needs no key."),
    "another demo": (
        "--add demo base_url=http://127.0.0.1:9/v1",
        "--add demo: the built-in model keeps its name; take another.",
    ),
    "a header that is no text": (
        '--add near base_url=http://127.0.0.1:9/v1 headers={"X-A":5}',
        "headers: the header X-A takes text.",
    ),
    "a text without quotes": (
        "system=Be very brief.",
        "unexpected word 'very': quote what has blanks, as in system=\"Be brief.\"",
    ),
    "a setting alone": (
        "temperature",
        "temperature is a setting, and no model: write temperature=VALUE, without blanks.",
    ),
    "a setting with a blank": (
        "temperature 0.5",
        "temperature is a setting, and no model: write temperature=VALUE, without blanks.",
    ),
    "an address with a blank": (
        "--add x base_url http://h/v1",
        "base_url is a setting, and no model: write base_url=VALUE, without blanks.",
    ),
    "a comment": ("temperature=0.2 # warm enough", "this line takes no comments: leave out '# warm enough'."),
    "a setting as an option": ("--max-tokens 5", "--max-tokens is not an option; write max_tokens=VALUE."),
    "an address as an option": ("--add x --base-url http://h/v1", "--base-url is not an option; write base_url=VALUE."),
    "a model as an option": ("-m far", "-m is not an option; to choose a model, write its name alone."),
    "a cry for help": ("--help", "--help is not an option; %llm? and %llm_config? explain what there is."),
    "a setting without a value": ("seed=", "seed needs a value: seed=VALUE."),
    "a warm word": ("temperature=hot", "temperature: 'hot' is not usable; it takes a number from 0 to 2."),
    "no time": ("timeout=0", f"timeout: 0 {SECONDS}"),
    "a time without end": ("timeout_total=1e309", f"timeout_total: 1e309 {SECONDS}"),
    "no truth": ("stream=maybe", "stream: 'maybe' is not usable; it takes true or false."),
    "a setting twice": ("temperature=0.1 temperature=0.2", "temperature is given twice: '0.1', then '0.2'."),
    "a misspelt model": (
        "fra",
        f"no model 'fra' in the configuration. Did you mean 'far'? {KNOWN} Another model of an endpoint is written "
        "NAME/fra.",
    ),
    "the same as a setting": (
        "model=fra",
        f"no model 'fra' in the configuration. Did you mean 'far'? {KNOWN} Another model of an endpoint is written "
        "NAME/fra.",
    ),
    "two models": ("far demo", "two models are named, far and demo: choose one."),
    "a good setting and a bad model": (
        "temperature=0.5 fra",
        f"no model 'fra' in the configuration. Did you mean 'far'? {KNOWN} Another model of an endpoint is written "
        "NAME/fra.",
    ),
    "all forgotten, and a file that is not there": ("--reset --file nowhere.toml", "nowhere.toml: no such file."),
    "an abbreviated option": ("--rese", "unknown option '--rese'. Did you mean '--reset'?"),
    "a path of Windows": (r"--file C:\new\table.toml", r"C:\new\table.toml: no such file."),
    "a path of Windows with a blank": (
        r'--file "C:\new folder\table.toml"',
        r"C:\new folder\table.toml: no such file.",
    ),
    "a folder": ("--file .", ".: is a folder; name the file in it."),
    "a long dash": ("—reset", "the character U+2014 (—) at column 13 is typographic; type -- instead."),
    "typographic quotes": (
        "system=“Be brief”",
        'the character U+201C (“) at column 20 is typographic; type " instead.',
    ),
    "an equals sign of another width": (
        "temperature＝0.2",
        "the character U+FF1D (＝) at column 24 is typographic; type = instead.",
    ),
    "an open quote": ('system="Be brief', 'the " at column 20 is never closed.'),
    "a setting of one model": (
        "base_url=http://h/v1",
        "base_url belongs to one model: %llm_config --add NAME base_url=…",
    ),
    "a setting of all models": (
        "--add x base_url=http://h/v1 dotenv=true",
        "dotenv belongs to all models, not to one: %llm_config dotenv=…",
    ),
    "a model without an address": ("--add x model=y", "--add x needs the endpoint's address: base_url=http://…/v1"),
    "an address without http": (
        "--add x base_url=api.x.com",
        f"base_url: 'api.x.com' {URL}, with http:// or https:// in front.",
    ),
    "another scheme": (
        "--add x base_url=htp://h/v1",
        f"base_url: 'htp://h/v1' {URL}, with http:// or https:// in front.",
    ),
    "no host": ("--add x base_url=http:///v1", f"base_url: 'http:///v1' {URL}, with http:// or https:// in front."),
    "a host's half": ("--add x base_url=http://[::1/v1", f"base_url: 'http://[::1/v1' {URL}."),
    "a host with a hole": (
        "--add x base_url=http://a..b/v1",
        "base_url: 'http://a..b/v1' is not usable; it takes a URL whose host is a name or a number.",
    ),
    "a port beyond all": (
        "--add x base_url=http://h:99999/v1",
        "base_url: 'http://h:99999/v1' is not usable; it takes a URL with a port from 1 to 65535.",
    ),
    "no port": (
        "--add x base_url=http://h:web/v1",
        "base_url: 'http://h:web/v1' is not usable; it takes a URL with a port from 1 to 65535.",
    ),
    "the whole path": (
        "--add x base_url=http://h/v1/chat/completions",
        "base_url: 'http://h/v1/chat/completions' is not usable; it takes the URL without its end: leave out "
        "/chat/completions.",
    ),
    "another path": (
        "--add x base_url=http://h/v1/responses/",
        "base_url: 'http://h/v1/responses/' is not usable; it takes the URL without its end: leave out /responses.",
    ),
    "a key in the address": (
        f"--add x base_url=http://h/v1?key={CANARY}",
        "base_url: 'http://h/v1' is not usable; it takes a URL without a password or a key in it: keys come from "
        "api_key_env.",
    ),
    "a password in the address": (
        f"--add x base_url=http://u:{CANARY}@h/v1",
        "base_url: 'h/v1' is not usable; it takes a URL without a password or a key in it: keys come from api_key_env.",
    ),
    "a key as a variable's name": (
        f"--add x base_url=http://h/v1 api_key_env={CANARY}",
        "api_key_env: this value is not usable; it takes the name of the environment variable that holds the key, not "
        "the key.",
    ),
    "a key as headers": (
        f"--add x base_url=http://h/v1 headers={CANARY}",
        "headers: this value is not usable; it takes a table of names and values.",
    ),
    "a key": (f"api_key={CANARY}", f"api_key {NO_KEY_HERE}"),
    "a key as an option": (f"--api-key {CANARY}", f"--api-key {NO_KEY_HERE}"),
    "a key as a model": (
        CANARY,
        f"no model '***' in the configuration. {KNOWN} Another model of an endpoint is written NAME/***.",
    ),
}


@pytest.mark.parametrize(("line", "said"), SETTINGS.values(), ids=SETTINGS)
def test_a_setting_that_is_wrong_changes_nothing(far_shell: Shell, far: FarEnd, line: str, said: str) -> None:
    before = far_shell.run("%llm_config").text
    with nothing_sent(far_shell, far):
        assert mistake(far_shell.run(f"%llm_config {line}")) == said
        assert far_shell.run("%llm_config").text == before


HOSTS = {
    "another alphabet": ("http://оpenai.com/v1", "xn--penai-iye.com"),
    "letters with dots": ("http://bücher.example:81/v1", "xn--bcher-kva.example:81"),
    "numbers of six": ("http://[::1]:8080/v1", "[::1]:8080"),
    "a port": ("http://h:65535/v1", "h:65535"),
}


@pytest.mark.parametrize(("url", "host"), HOSTS.values(), ids=HOSTS)
def test_a_host_is_shown_as_it_is_looked_up(far_shell: Shell, far: FarEnd, url: str, host: str) -> None:
    assert f"Added x at {host}, and chose it." in far_shell.run(f"%llm_config --add x base_url={url}").text
