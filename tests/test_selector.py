"""The selector in a real kernel: where it is shown, what it sets, that it asks nobody, and that no key enters it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import nbformat
import pytest
from far_end import FarEnd, openai_error
from kernels import Kernel, kernel
from nbclient import NotebookClient
from nbconvert import HTMLExporter

pytest.importorskip("ipywidgets")

CANARY = "sk-canary-0123456789abcdef"
WIDGET = "application/vnd.jupyter.widget-view+json"
PARTS = """
from ipywidgets import Widget
from ipywidgets.widgets.widget import _instances
def part(name):
    return next(w for w in _instances.values() if getattr(w, 'description', '') == name)
def texts():
    return ' '.join(w.value for w in _instances.values() if type(w).__name__ == 'HTML')
"""


@pytest.fixture(scope="module")
def far() -> Iterator[FarEnd]:
    with FarEnd() as server:
        yield server


@pytest.fixture(scope="module")
def started(tmp_path_factory: pytest.TempPathFactory, far: FarEnd) -> Iterator[Kernel]:
    folder = tmp_path_factory.mktemp("home")
    (folder / "config").mkdir()
    secret = folder / "config" / "config.toml"
    secret.write_text(f'[models.kept]\nbase_url = "{far.base_url}"\napi_key = "{CANARY}"\nmodel = "m-1"\n')
    secret.chmod(0o600)
    env = {"HOME": str(folder), "LLM_MAGICS_DIR": str(folder / "config"), "OPENAI_API_KEY": CANARY}
    with kernel(**env) as page:
        page.run(f"import os\nos.chdir({str(folder)!r})\n%load_ext llm_magics\n{PARTS}")
        yield page


@pytest.fixture
def page(started: Kernel, far: FarEnd) -> Kernel:
    """The kernel, with the far end as its model and nothing else set."""
    far.reset()
    far.requests.clear()
    nothing = "magics = get_ipython()._llm_magics.magics\nfor name in magics.named(): setattr(magics, name, None)"
    started.run(f"%llm_config --reset\n{nothing}\n%llm_config --add far base_url={far.base_url}")
    return started


def everything(page: Kernel, cell: str) -> str:
    """All that a cell makes the kernel say, comms among it."""
    sent, done = page.start(cell), False
    frames: list[bytes] = []
    while not done:
        assert page._socket.poll(20_000)
        parts = page._socket.recv_multipart()
        frames += parts
        place = parts.index(b"<IDS|MSG>")
        head, parent, content = (json.loads(parts[place + n]) for n in (2, 3, 5))
        done = head["msg_type"] == "status" and content["execution_state"] == "idle" and parent.get("msg_id") == sent
    page._reply(sent)
    return b"".join(frames).decode("utf-8", "replace")


def shown(page: Kernel, expression: str) -> str:
    """What an expression is in the kernel."""
    return str(page.value(expression))


def test_the_selector_stands_above_the_table_in_an_output_of_its_own_and_nobody_is_asked(
    page: Kernel, far: FarEnd
) -> None:
    widget, table = page.run("%llm_config").outputs
    assert set(widget["data"]) == {WIDGET, "text/plain"}
    assert widget["data"]["text/plain"] == ""
    assert set(table["data"]) == {"text/markdown", "text/plain"}
    assert "far" in table["data"]["text/plain"]
    assert far.requests == []


def test_without_widgets_there_is_the_table(page: Kernel) -> None:
    ran = page.run("import sys; kept = sys.modules['ipywidgets']; sys.modules['ipywidgets'] = None\n%llm_config")
    page.run("sys.modules['ipywidgets'] = kept")
    (table,) = ran.outputs
    assert set(table["data"]) == {"text/markdown", "text/plain"}


def test_a_click_a_magic_and_config_set_the_same(page: Kernel) -> None:
    page.run("%llm_config")
    page.run("part('temperature').value = True; part('max_tokens').value = '70'")
    assert page.run("%config LLMMagics.max_tokens").outputs[0]["data"]["text/plain"] == "70"
    assert "%llm_config far max_tokens=70 temperature=1.0" in shown(page, "texts()")
    page.run("%config LLMMagics.max_tokens = 90")
    assert shown(page, "[part('max_tokens').value, part('max_tokens').placeholder]") == "['', '90 (%config LLMMagics)']"
    page.run("%llm_config max_tokens=30")
    assert shown(page, "part('max_tokens').value") == "30"
    page.run("%llm_config --unset max_tokens")
    assert shown(page, "part('max_tokens').placeholder") == "90 (%config LLMMagics)"


def test_the_selector_shows_the_newer_word_also_where_the_value_is_the_same(page: Kernel) -> None:
    page.run("%llm_config max_tokens=30\n%llm_config")
    assert shown(page, "part('max_tokens').value") == "30"
    page.run("%config LLMMagics.max_tokens = 30")
    assert shown(page, "[part('max_tokens').value, part('max_tokens').placeholder]") == "['', '30 (%config LLMMagics)']"
    page.run("get_ipython().config.pop('LLMMagics')\n%reload_ext llm_magics")
    assert shown(page, "part('max_tokens').placeholder") == "not set"


def test_among_thousands_of_models_one_is_found_at_once(page: Kernel, far: FarEnd) -> None:
    far.models = [f"m-{number}" for number in range(5_000)]
    page.run("%llm_config\npart('Find models').click()")
    page.run("import asyncio\nwhile 'endpoints list' not in texts(): await asyncio.sleep(0.1)")
    ran = page.run("for n in range(30): part('search').value = f'far/m-49{n:02}'")
    assert page.value("[name for _, name in part('model').options]") == ["", "far/m-4929"]
    assert ran.seconds < 20  # looking at each model's settings anew takes minutes


def test_the_table_shows_what_was_clicked(page: Kernel) -> None:
    page.run("%llm_config")
    ran = page.run("part('timeout').value = '7'")
    (update,) = ran.of("update_display_data")
    assert re.search(r"timeout +7 +%llm_config", update.content["data"]["text/plain"])


def test_the_lines_that_are_shown_do_the_same(page: Kernel) -> None:
    page.run("%llm_config")
    page.run("part('temperature').value = True; part('timeout_total').value = '9.5'; part('stream').value = False")
    page.run("part('images').value = 'hosts'; part('hosts').value = 'a.example *.b.example'")
    page.run("part('system').value = 'Say \"yes\" {now}.\\nThen \\\\ stop?'")
    lines = shown(page, "__import__('html').unescape(__import__('re').search('<pre>(.*?)</pre>', texts(), 16)[1])")
    before = page.value("magics.values")
    page.run("%llm_config --reset")
    assert page.value("magics.values") == {}
    ran = page.run(f"now = 'never'\n{lines}")
    assert not ran.error
    assert page.value("magics.values") == before


MISTAKES = {
    "max_tokens": ("many", "max_tokens: 'many' is not usable; it takes a whole number"),
    "timeout": ("0", "timeout: 0 is not usable"),
    "system": (f"Use {CANARY}.", "system: a key does not belong here"),
    "hosts": ("not/a/host", "images: a list is not usable"),
}


@pytest.mark.parametrize(("name", "text", "said"), [(name, *both) for name, both in MISTAKES.items()], ids=MISTAKES)
def test_what_cannot_be_set_is_told_in_one_line_and_the_control_goes_back(
    page: Kernel, name: str, text: str, said: str
) -> None:
    page.run("%llm_config\npart('images').value = 'hosts'")
    before = shown(page, f"part({name!r}).value")
    page.run(f"part({name!r}).value = {text!r}")
    assert said in shown(page, "texts()")
    assert shown(page, f"part({name!r}).value") == before
    assert "canary" not in shown(page, "Widget.get_manager_state()")


def test_a_models_own_setting_is_not_set_over_for_all(page: Kernel, far: FarEnd) -> None:
    page.run(f"%llm_config --add own base_url={far.base_url} temperature=0.1\n%llm_config")
    page.run("next(w for w in _instances.values() if type(w).__name__ == 'FloatSlider').value = 0.5")
    assert "temperature: own has its own, 0.1, from %llm_config" in shown(page, "texts()")
    assert page.value("magics.temperature") is None


def test_the_keyboards_way_leads_over_the_names_of_endpoints(page: Kernel) -> None:
    page.run("%llm_config")
    names = page.value("[name for _, name in part('model').options]")
    at = names.index("far")
    step = names.index("", at)
    page.run(f"part('model').index = {step}")
    assert shown(page, "magics.model") == names[step + 1]
    page.run("part('model').index = 0")
    assert shown(page, "magics.model") == names[step + 1]
    page.run("part('model').index = 1")
    assert shown(page, "magics.model") == names[1]


def test_searching_sets_nothing_and_finds_models_nobody_listed(page: Kernel) -> None:
    page.run("%llm_config")
    page.run("part('search').value = 'anthropic'")
    assert page.value("[name for _, name in part('model').options]") == ["", "anthropic"]
    page.run("part('search').value = 'far/new-one'")
    assert page.value("[name for _, name in part('model').options]") == ["", "far/new-one"]
    assert shown(page, "magics.model") == "far"


def test_no_key_enters_a_widget(page: Kernel, far: FarEnd, tmp_path: Path) -> None:
    far.models = ["m-1", CANARY, f"m-{CANARY}"]
    far.refuses("temperature", 400, openai_error(f"Unrecognized request argument supplied: temperature ({CANARY})"))
    far.answers(f"It is {CANARY}.", model=CANARY)
    project = tmp_path / "more.toml"
    project.write_text(f'system = "Use {CANARY}."\n')
    cells = [
        "%llm_config kept",
        "%llm_config",
        f"%llm_config --file {project}",
        "part('Find models').click()",
        "import asyncio; await asyncio.sleep(1.5)",
        "part('Check').click()",
        "for _ in range(100):\n    await asyncio.sleep(0.1)\n    if part_of_check(): break",
        "part('model').value = 'openai'",
    ]
    page.run("def part_of_check():\n    return 'It took' in texts()")
    said = "".join(everything(page, cell) for cell in cells)
    assert "comm_open" in said
    assert "Find out what does not work" in said
    assert "canary" not in said
    assert "canary" not in shown(page, "Widget.get_manager_state(drop_defaults=False)")
    assert CANARY in str([request.headers for request in far.requests])
    assert "It took" in shown(page, "texts()")


def test_one_selector_after_the_other_leaves_nothing(page: Kernel) -> None:
    page.run("%llm_config")
    page.run("%llm_config")
    before = page.value("len(_instances)")
    for _ in range(3):
        page.run("%llm_config")
    assert page.value("len(_instances)") == before


def test_a_file_that_breaks_is_told_in_the_selector(page: Kernel, tmp_path: Path) -> None:
    page.run("%llm_config")
    page.run("open('llm_magics.toml', 'w').write('temperature = = 1')\npart('timeout').value = '7'")
    told = shown(page, "texts()")
    page.run("os.remove('llm_magics.toml')")
    assert "llm_magics.toml:1:" in told


def test_executed_and_converted_notebooks_show_the_table(far: FarEnd, home: Path) -> None:
    sources = ("%load_ext llm_magics", "%llm_config temperature=0.3", "%llm_config")
    book = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source) for source in sources])
    NotebookClient(book, timeout=60, kernel_name="python3").execute()
    html, _ = HTMLExporter().from_notebook_node(book)
    assert ">temperature</td>" in html.replace("\n", "")
    assert "Error" not in str(book.cells)
