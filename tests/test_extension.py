"""Loading and unloading: cheap, silent, and given back whole."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from far_end import FarEnd
from IPython.core.interactiveshell import InteractiveShell
from openai.types.chat import ChatCompletionMessage
from shells import Shell

from llm_magics import load_ipython_extension, unload_ipython_extension

HEAVY = (
    "openai",
    "httpx",
    "httpx2",
    "pydantic",
    "pandas",
    "ipywidgets",
    "markdown_it",
    "yaml",
    "asyncio.runners_of_ours",
)


def in_a_fresh_shell(code: str) -> dict[str, object]:
    """What a program prints as JSON, run by a Python that has imported nothing yet."""
    head = "import json, sys\nfrom IPython.core.interactiveshell import InteractiveShell\n"
    head += "shell = InteractiveShell.instance()\n"
    done = subprocess.run([sys.executable, "-c", head + code], capture_output=True, text=True, check=True, timeout=60)
    assert done.stderr == ""
    return dict(json.loads(done.stdout))


def test_loading_imports_nothing_heavy_and_prints_nothing() -> None:
    done = in_a_fresh_shell(
        "before = set(sys.modules)\nshell.run_cell('%load_ext llm_magics')\n"
        "print(json.dumps({'new': sorted(set(sys.modules) - before)}))"
    )
    new = done["new"]
    assert isinstance(new, list)
    assert not [name for name in new if name.split(".")[0] in HEAVY]
    assert "socket" not in new


def test_importing_the_package_imports_nothing_heavy() -> None:
    code = "before = set(sys.modules)\nimport llm_magics\nprint(json.dumps({'new': sorted(set(sys.modules) - before)}))"
    assert in_a_fresh_shell(code)["new"] == ["llm_magics"]


def test_the_public_names_are_there() -> None:
    import llm_magics

    for name in llm_magics.__all__:
        assert getattr(llm_magics, name) is not None
        assert name in dir(llm_magics)
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = llm_magics.nothing


def test_a_plain_script_needs_no_ipython(far: FarEnd) -> None:
    code = (
        "import sys; sys.modules['IPython'] = None\n"
        "from llm_magics import ModelManager, call_llm\n"
        f"print(call_llm('m', 'Hi', {{'models': {{'m': {{'base_url': {far.base_url!r}}}}}}}).content)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert (done.stdout, done.stderr) == ("Hello from the far end.\n", "")


def test_loading_twice_changes_nothing(shell: Shell) -> None:
    matchers = list(shell.ip.Completer.custom_matchers)
    load_ipython_extension(shell.ip)
    assert shell.ip.Completer.custom_matchers == matchers


def test_reloading_works(far_shell: Shell) -> None:
    assert far_shell.run("%reload_ext llm_magics").errors == ""
    assert far_shell.run("%llm Hi").text == "Hello from the far end.\n"


def test_unloading_gives_everything_back(shell: Shell) -> None:
    ip = shell.ip
    mime = ip.display_formatter.mimebundle_formatter
    shell.run("%unload_ext llm_magics")
    assert "llm" not in ip.magics_manager.magics["cell"]
    assert not {"llm", "llm_config"} & set(ip.magics_manager.magics["line"])
    assert ip.Completer.custom_matchers == []
    assert not [f for f in ip.input_transformers_cleanup if f.__module__.startswith("llm_magics")]
    assert not [f for f in mime.type_printers.values() if f.__module__.startswith("llm_magics")]
    assert not [f for f in mime.deferred_printers.values() if f.__module__.startswith("llm_magics")]
    assert not [c for c in ip.configurables if type(c).__name__ == "LLMMagics"]


def test_unloading_gives_back_another_extensions_magic_and_formatter(shell: Shell) -> None:
    ip: InteractiveShell = shell.ip
    unload_ipython_extension(ip)
    mime = ip.display_formatter.mimebundle_formatter

    def theirs(line: str, cell: str = "") -> str:
        return "theirs"

    def their_formatter(message: object, include: object = None, exclude: object = None) -> dict[str, str]:
        return {"text/plain": "theirs"}

    ip.register_magic_function(theirs, "line_cell", "llm")
    mime.for_type(ChatCompletionMessage, their_formatter)
    load_ipython_extension(ip)
    assert (
        ip.display_formatter.format(ChatCompletionMessage(role="assistant", content="ours"))[0]["text/plain"] == "ours"
    )
    unload_ipython_extension(ip)
    assert ip.run_cell_magic("llm", "", "x") == "theirs"
    assert mime.lookup_by_type(ChatCompletionMessage) is their_formatter


@pytest.mark.parametrize(
    ("typed", "offered"),
    [
        ("%%llm --mo", "--model"),
        ("%%llm -t 0.2 --dry", "--dry-run"),
        ("%%llm -m de", "demo"),
        ("%%llm -m fa", "far"),
        ("%%llm --as js", "json"),
        ("%%llm --param fre", "frequency_penalty="),
        ("%%llm --param timeout_s", "timeout_silence="),
        ("%%llm --all", "--allow-secret"),
        ("%llm --no", "--no-stream"),
        ("answer = %llm -m fa", "far"),
        ("%llm_config temp", "temperature="),
        ("%llm_config timeout_t", "timeout_total="),
        ("%llm_config --che", "--check"),
        ("%llm_config --check fa", "far"),
        ("%llm_config de", "demo"),
        ("%llm_config --mod", "--models"),
        ("%llm_config --ask-key fa", "far"),
        ("%llm -m demo,fa", "demo,far"),
        ("%llm_config --unset ", "model"),
        ("%llm_config stream=f", "stream=false"),
        ("%llm_config images=a", "images=ask"),
        ("%llm_config model=fa", "model=far"),
        ("%llm_config --add near base_u", "base_url="),
        ("%llm_config --add near base_url=http://127.0.0.1:9/v1 api_key_e", "api_key_env="),
        ("%llm_config --policy python=ask,frames=d", "python=ask,frames=deny"),
        ("%llm_config --policy python=ask,fr", "python=ask,frames="),
    ],
)
def test_tab_completes_options_models_and_parameters(far_shell: Shell, typed: str, offered: str) -> None:
    _, matches = far_shell.ip.complete(None, typed, len(typed))
    assert offered in matches


@pytest.mark.parametrize(
    "typed", ["%%llm --to ", "%%llm -s ", "%%llm -t ", "%%llm -n ", "%llm --max-tokens ", "%llm_config --add "]
)
def test_tab_offers_nothing_where_a_value_is_to_be_thought_of(far_shell: Shell, typed: str) -> None:
    _, matches = far_shell.ip.complete(None, typed, len(typed))
    assert not [word for word in matches if word.startswith("-") or word.endswith("=") or word == "demo"]


def test_tab_offers_no_setting_of_all_models_for_one_that_is_added(far_shell: Shell) -> None:
    typed = "%llm_config --add near "
    _, matches = far_shell.ip.complete(None, typed, len(typed))
    assert not {"dotenv=", "demo", "far", "api_key="} & set(matches)


def test_tab_behind_file_completes_configuration_files(far_shell: Shell) -> None:
    for name in ("mine.toml", "mine.txt"):
        Path(name).touch()
    Path("folder").mkdir()
    _, matches = far_shell.ip.complete(None, "%llm_config --file ", 19)
    assert {"mine.toml", "folder/"} <= set(matches)
    assert not {"mine.txt", "far"} & set(matches)


def test_tab_leaves_the_prompt_alone(far_shell: Shell) -> None:
    _, matches = far_shell.ip.complete(None, "%%llm\nWhat is --mo", 16)
    assert "--model" not in matches
