"""The README is true: every block of it runs."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from far_end import FarEnd
from shells import Shell

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text("utf-8")
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```$", README, re.M | re.S)


def blocks(kind: str) -> list[str]:
    """The blocks of one language, in their order."""
    return [text for language, text in BLOCKS if language == kind]


def test_every_kind_of_block_is_run_by_a_test() -> None:
    assert {language for language, _ in BLOCKS} == {"console", "ipython", "python", "toml"}


def test_the_tour_runs_from_top_to_bottom(shell: Shell, far: FarEnd, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_BASE_URL", far.base_url)
    for cell in blocks("ipython"):
        monkeypatch.setenv("OPENAI_API_KEY", "sk-readme-0123456789" if "openai" in cell else "")
        done = shell.run(cell)
        assert done.error is None, f"{cell}\n{done.errors}"
    assert [chat.body["model"] for chat in far.chats] == ["gpt-5.4"]


def test_the_python_block_runs_without_a_shell(far: FarEnd, monkeypatch: pytest.MonkeyPatch) -> None:
    (code,) = blocks("python")
    monkeypatch.setenv("OPENAI_API_KEY", "sk-readme-0123456789")
    done = subprocess.run(
        [sys.executable, "-c", code.replace("https://api.openai.com/v1", far.base_url) + "print(message.content)"],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert (done.stdout, done.stderr) == ("Hello from the far end.\n", "")


def test_the_configuration_file_is_one(shell: Shell, home: Path) -> None:
    (text,) = blocks("toml")
    (home / "config").mkdir()
    (home / "config" / "config.toml").write_text(text)
    assert set(tomllib.loads(text)["models"]) <= set(re.findall(r"^\w+", shell.run("%llm_config").text, re.M))


def test_the_first_notebook_runs_on_a_machine_without_a_screen(tmp_path: Path) -> None:
    jupyter = Path(sys.executable).with_name("jupyter")
    assert jupyter.exists(), "the test extra brings it"
    *_, command = blocks("console")
    words = command.split()
    assert words[:2] == [".venv/bin/jupyter", "execute"]
    shutil.copy(ROOT / words[2], tmp_path)
    output = tmp_path / "run.ipynb"
    name = Path(words[2]).name
    subprocess.run([jupyter, "execute", name, f"--output={output}"], cwd=tmp_path, check=True, timeout=180)
    cells = [cell for cell in json.loads(output.read_text("utf-8"))["cells"] if cell["cell_type"] == "code"]
    asked = [
        cell for cell in cells if "".join(cell["source"]).startswith("%%llm") and "--dry-run" not in cell["source"][0]
    ]
    assert len(asked) >= 3
    for cell in asked:
        (answer,) = cell["outputs"]
        assert answer["output_type"] == "execute_result"
        assert "text/markdown" in answer["data"]


def test_the_papers_name_no_way_around_the_package_index() -> None:
    for paper in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "pyproject.toml"):
        assert not re.search(r"pypi\.|npmjs|/root/|/work/", (ROOT / paper).read_text("utf-8"))
