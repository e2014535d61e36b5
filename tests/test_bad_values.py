"""Values without a text, or with an odd one, in a prompt: told in one line, nothing consumed."""

from __future__ import annotations

import pytest
from far_end import FarEnd
from mistakes import mistake, nothing_sent, sent
from shells import Shell

TOLD = "Nothing was sent."
NO_TEXT = f"'v' has no text of its own: put one of its attributes, or give its class a method _repr_llm_(). {TOLD}"


def too_long(characters: str, tokens: str) -> str:
    """What is said of a value of this size."""
    return (
        f"'v' is about {characters} characters (≈ {tokens} tokens), more than the 400,000 a value may have. Put a part "
        f"of it, such as its head or a summary. {TOLD}"
    )


VALUES = {
    "a function": (
        "v = lambda: 1",
        f"'v' is a function, which has no text: put inspect.getsource(…) of it, or call it. {TOLD}",
    ),
    "a class": (
        "class v: pass",
        f"'v' is a class, which has no text: put inspect.getsource(…) of it, or one of its instances. {TOLD}",
    ),
    "a module": ("import json as v", f"'v' is a module, which has no text: put one of its values. {TOLD}"),
    "a generator": ("v = (n for n in [1])", f"'v' is a generator, which has no text: put list(…) of it. {TOLD}"),
    "a coroutine": (
        "async def wait(): pass\nv = wait()",
        f"'v' is a coroutine, which has no text: put its awaited value. {TOLD}",
    ),
    "an open file": (
        "v = open('/dev/null')",
        f"'v' is an open file, which has no text: put its text, with .read(). {TOLD}",
    ),
    "a lock": (
        "import threading\nv = threading.Lock()",
        f"'v' is a lock or a thread, which has no text: put something that has a text. {TOLD}",
    ),
    "an iterator": ("v = iter([1])", f"'v' is an iterator, which has no text: put list(…) of it. {TOLD}"),
    "an object": ("v = object()", NO_TEXT),
    "a picture": ("from IPython.display import Image\nv = Image(data=b'GIF89a')", NO_TEXT),
    "a picture of another library": (
        "class Picture:\n    def __repr__(self): return '<Picture mode=RGB size=2x2 at 0x7F00>'\nv = Picture()",
        NO_TEXT,
    ),
    "a very long text": ("v = 'x' * 1_000_000", too_long("1,000,000", "250,000")),
    "a text of its own without end": (
        "class Endless:\n    def __repr__(self): return 'x' * 100_000_000\nv = Endless()",
        too_long("100,000,000", "25,000,000"),
    ),
    "a huge frame": (
        "import numpy, pandas\nv = pandas.DataFrame(numpy.broadcast_to(numpy.zeros(1), (10_000_000, 200)), copy=False)",
        too_long("16,000,000,000", "4,000,000,000"),
    ),
    "a number of a hundred thousand digits": (
        "v = 10**100_000",
        f"'v' has about 100,000 digits, more than Python writes: put hex(…) of it, or a part. {TOLD}",
    ),
    "columns of one name": (
        "import pandas\nv = pandas.DataFrame([[1, 2]], columns=['a', 'a'])",
        f"'v' has several columns named 'a': give each its own name. {TOLD}",
    ),
}


@pytest.mark.parametrize(("code", "said"), VALUES.values(), ids=VALUES)
def test_a_value_that_has_no_text_is_told_with_what_to_put_instead(
    far_shell: Shell, far: FarEnd, code: str, said: str
) -> None:
    assert far_shell.run(code).error is None
    with nothing_sent(far_shell, far):
        assert mistake(far_shell.run("%%llm\nA {{ v }}")) == said
    far_shell.run("getattr(v, 'close', lambda: None)()")


def test_a_generator_is_not_consumed_by_asking(far_shell: Shell, far: FarEnd) -> None:
    far_shell.run("v = (n for n in [1, 2])")
    mistake(far_shell.run("%%llm\n{{ v }}"))
    assert far_shell.run("print(list(v))").text == "[1, 2]\n"


TEXTS = {
    "one that fails": ("def __repr__(self): raise ValueError('no')", "<Odd: its text failed with ValueError>"),
    "one that leaves": ("def __repr__(self): raise SystemExit(3)", "<Odd: its text failed with SystemExit>"),
    "one that is none": ("def __repr__(self): return 5", "<Odd: its text failed with TypeError>"),
    "one of itself": ("def __repr__(self): return repr(self)", "<Odd: its text failed with RecursionError>"),
    "one that prints": ("def __repr__(self): print('aside'); return 'odd'", "odd"),
    "a class that is not there": (
        "@property\n    def __class__(self): raise RuntimeError('gone')",
        "<Odd: its text failed with RuntimeError>",
    ),
}


@pytest.mark.parametrize(("method", "text"), TEXTS.values(), ids=TEXTS)
def test_an_object_with_an_odd_text_does_not_break_the_prompt(
    far_shell: Shell, far: FarEnd, method: str, text: str
) -> None:
    far_shell.run(f"class Odd:\n    {method}\nv = Odd()")
    assert sent(far_shell, far, "%%llm\nA {{ v }}") == f"A {text}"


def test_an_interrupt_while_a_text_is_made_stops_the_cell(far_shell: Shell, far: FarEnd) -> None:
    far_shell.run("class Slow:\n    def __repr__(self): raise KeyboardInterrupt\nv = Slow()")
    with nothing_sent(far_shell, far):
        done = far_shell.run("%%llm\nA {{ v }}")
        assert isinstance(done.error, KeyboardInterrupt)
        assert "Traceback" not in done.errors + done.text


def test_what_holds_itself_is_told_to_its_edge(far_shell: Shell, far: FarEnd) -> None:
    far_shell.run("ring = [1]; ring.append(ring)\ntable = {}; table['self'] = table\ndeep = []")
    far_shell.run("for n in range(100_000):\n    deep = [deep]")
    assert sent(far_shell, far, "%%llm\n{{ ring }} {{ table }}") == "[1, [...]] {'self': {...}}"
    assert sent(far_shell, far, "%%llm\n{{ deep }}") == "<list: its text failed with RecursionError>"


def test_a_frame_of_long_texts_is_refused_before_it_is_written(far_shell: Shell, far: FarEnd) -> None:
    polars = pytest.importorskip("polars")
    far_shell.run("import pandas\nv = pandas.DataFrame({'a': ['x' * 10_000_000] * 20})")
    far_shell.ip.user_ns["w"] = polars.DataFrame({"a": ["x" * 10_000_000] * 20})
    with nothing_sent(far_shell, far):
        for name in ("v", "w"):
            assert "characters (≈ 50,000," in mistake(far_shell.run(f"%%llm\n{{{{ {name} }}}}"))


def test_tables_of_arrow_are_told_with_their_whole_numbers_whole(far_shell: Shell, far: FarEnd) -> None:
    pyarrow = pytest.importorskip("pyarrow")
    names = far_shell.ip.user_ns
    names["t"] = pyarrow.table({"a": [1, None], "b": ["x", "y"]})
    names["same"] = pyarrow.table({"a": [1, 2], "b": [1, 2]})
    names["twice"] = pyarrow.Table.from_arrays([pyarrow.array([1]), pyarrow.array([2])], names=["a", "a"])
    assert sent(far_shell, far, "%%llm\n{{ t }}") == "a,b\n1,x\n,y\n"
    assert sent(far_shell, far, "%%llm\n{{ same }}") == "a,b\n1,1\n2,2\n"
    assert mistake(far_shell.run("%%llm\n{{ twice }}")) == VALUES["columns of one name"][1].replace("'v'", "'twice'")
