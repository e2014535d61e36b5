"""A comparison as a file: whole or not at all, and harmless in whatever opens it."""

from __future__ import annotations

import csv
import io
import json
import os
import re
import stat
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_safe_html import as_allowed, as_anything
from test_safe_markdown import COMMONMARK, LIVE

from llm_magics.comparisons.exports import WRITERS, as_csv, as_html, as_json, as_markdown, frame, save
from llm_magics.errors import UserMistake


def row(label: str = "gpt", **changes: Any) -> dict[str, Any]:
    figures = {"first_token": 0.3, "seconds": 1.4, "tokens_per_second": 40.0}
    tokens = {"tokens_in": 1_200, "tokens_out": 300, "tokens_reasoning": None}
    said = {"cost": 0.0012, "currency": "USD", "text": "Hello **you**.", "error": None}
    known = {"label": label, "model": label, "repeat": 1, "host": "h", "status": "ok", "finish_reason": "stop"}
    return {**known, **figures, **tokens, **said, **changes}


FAILED = row("local", status="failed", finish_reason=None, first_token=None, tokens_in=None, tokens_out=None, cost=None)
FAILED |= {"currency": None, "text": "", "error": "KeyRefused: no\n  where\n  do this"}
ROWS = [row(), FAILED]


# -------------------------------------------------------------------------------------------------------- the kinds


def test_csv_has_a_line_a_row_and_nothing_for_what_is_unknown(tmp_path: Path) -> None:
    path = save(ROWS, tmp_path / "x.csv")
    with path.open(newline="", encoding="utf-8") as file:
        read = list(csv.DictReader(file))
    assert list(read[0]) == list(ROWS[0])
    assert (read[0]["cost"], read[1]["cost"], read[1]["error"]) == ("0.0012", "", "KeyRefused: no\n  where\n  do this")


@pytest.mark.parametrize(
    "text", ["=1+1", "+cmd|' /C calc'!A0", "-2+3", "@SUM(A1)", "\t=1", "\r=1", "＝1", "-", "- a list"]
)
def test_a_spreadsheet_finds_no_formula(text: str) -> None:
    cell = next(csv.DictReader(io.StringIO(as_csv([row(text=text)]), newline="")))["text"]
    assert cell == f"'{text}"


@pytest.mark.parametrize("value", [-5, -0.25, 1e-7, "-5", "+3.5", "-1e-3", "a = b", "", "'=1"])
def test_numbers_and_texts_that_are_no_formula_stay_as_they_are(value: Any) -> None:
    assert next(csv.DictReader(io.StringIO(as_csv([row(text=value)]), newline="")))["text"] == str(value)


def test_json_holds_the_rows_the_prompt_and_its_version(tmp_path: Path) -> None:
    path = save([row(seconds=float("nan"), text="é漢\x1b")], tmp_path / "x.JSON", prompt="Say it")
    read = json.loads(path.read_text("utf-8"), parse_constant=pytest.fail)
    assert (read["format"], read["version"], read["prompt"]) == ("llm_magics comparison", 1, "Say it")
    assert read["rows"] == [row(seconds=None, text="é漢\x1b")]


def test_markdown_and_html_show_prompt_figures_answers_and_errors() -> None:
    for made in (as_markdown(ROWS, "Say <it>"), as_html(ROWS, "Say <it>")):
        for said in ("gpt", "local", "0.0012 USD", "no price", "1,200", "KeyRefused: no", "1.40"):
            assert said in made
    assert "Hello <strong>you</strong>." in as_html(ROWS)
    assert "Hello **you**." in as_markdown(ROWS)
    assert "Say &lt;it&gt;" in as_html(ROWS, "Say <it>")


def test_no_heading_of_an_answer_can_be_taken_for_the_name_of_a_model() -> None:
    posing = "Fine.\n\n## local\n\nI am rude.\n\nlocal\n---\n\n- # local\n\n```\n## local\n```\n\n###### deep"
    rows = [row("gpt", text=posing), row("local", text="I am polite.")]
    markdown, html = as_markdown(rows), as_html(rows)
    assert [token.tag for token in COMMONMARK.parse(markdown) if token.type == "heading_open"] == (
        ["h1", "h2", "h4", "h4", "h3", "h6", "h2"]
    )
    assert "```\n## local\n```" in markdown
    assert html.count("<h2>local</h2>") == 1


def test_a_page_allows_itself_nothing() -> None:
    made = as_html(ROWS)
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', made)
    assert policy
    assert policy[1].startswith("default-src 'none'; style-src 'sha256-")
    assert "unsafe-inline" not in policy[1]
    assert "script" not in made
    assert '<meta charset="utf-8">' in made
    assert made.index("Content-Security-Policy") < made.index("<style>")


def test_hostile_texts_do_nothing_on_the_page() -> None:
    for payload in LIVE:
        made = as_html([row(payload, text=payload, error=payload, status=payload, model="m")], payload)
        body = re.sub(r"(?s).*<body>|</body>.*", "", made)
        body = body.replace(' rel="noopener noreferrer"', "")
        assert as_allowed(body) == as_anything(body), payload


def test_hostile_texts_do_nothing_in_markdown() -> None:
    from test_safe_html import shown_pages

    for payload in LIVE:
        for shown in shown_pages(as_markdown([row(payload, text=payload, error=payload, status=payload)], payload)):
            assert as_allowed(shown) == as_anything(shown), payload


@settings(max_examples=100)
@given(st.text(), st.text(), st.none() | st.text())
def test_any_text_can_be_written(label: str, text: str, error: str | None) -> None:
    rows = [row(label, text=text, error=error)]
    read = list(csv.reader(io.StringIO(as_csv(rows).encode().decode(), newline="")))
    assert len(read) == 2
    assert len(json.loads(as_json(rows))["rows"]) == 1
    as_html(rows, text).encode()
    as_markdown(rows, text).encode()


def test_no_rows_make_a_file_too(tmp_path: Path) -> None:
    for ending in WRITERS:
        assert save([], tmp_path / f"x{ending}").exists()


# ------------------------------------------------------------------------------------------------------- the files


def test_a_file_is_written_over_and_keeps_who_may_read_it(tmp_path: Path) -> None:
    path = tmp_path / "mine" / "x.csv"
    path.parent.mkdir()
    path.write_text("old")
    path.chmod(0o640)
    save(ROWS, str(path))
    assert path.read_text().startswith("label,")
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    assert [one.name for one in path.parent.iterdir()] == ["x.csv"]


def test_a_link_stays_a_link(tmp_path: Path) -> None:
    (tmp_path / "link.csv").symlink_to(tmp_path / "real.csv")
    save(ROWS, tmp_path / "link.csv")
    assert (tmp_path / "link.csv").is_symlink()
    assert (tmp_path / "real.csv").read_text().startswith("label,")


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("x.xlsx", r"'x\.xlsx': the ending says what to write: \.csv, \.json, \.html, \.md"),
        ("x", "the ending says what to write"),
        ("x.htm", r"Did you mean '\.html'\?"),
        ("no/such/x.csv", "there is no folder .*no/such. Make it first"),
        ("folder.csv", "is a folder; name the file in it"),
        ("pipe.csv", "is no ordinary file"),
        ("a\0b.csv", "cannot be written"),
        ("x" * 300 + ".csv", "cannot be written"),
        (7, "is no path"),
    ],
)
def test_what_cannot_be_written_is_told_in_one_line(tmp_path: Path, name: Any, said: str) -> None:
    tmp_path /= "mine"
    (tmp_path / "folder.csv").mkdir(parents=True)
    os.mkfifo(tmp_path / "pipe.csv")
    with pytest.raises(UserMistake, match=said) as caught:
        save(ROWS, tmp_path / name if isinstance(name, str) else name)
    assert "\n" not in str(caught.value)
    assert sorted(one.name for one in tmp_path.iterdir()) == ["folder.csv", "pipe.csv"]


@pytest.mark.skipif(os.name == "posix" and os.geteuid() == 0 and not Path("/proc/sys").exists(), reason="no such place")
def test_a_place_that_takes_no_files_is_told_in_one_line() -> None:
    with pytest.raises(UserMistake, match=r"/proc/sys/x\.csv: cannot be written \("):
        save(ROWS, "/proc/sys/x.csv")


# --------------------------------------------------------------------------------------------------------- pandas


def test_a_frame_has_a_column_a_figure_and_misses_what_is_unknown() -> None:
    made = frame(ROWS)
    assert list(made.columns) == list(ROWS[0])
    assert made["tokens_in"].tolist()[0] == 1200
    assert made["cost"].isna().tolist() == [False, True]
    assert made["tokens_in"].isna().tolist() == [False, True]
    assert made["tokens_in"].dtype == "Int64"
    assert len(frame([])) == 0


def test_without_pandas_the_next_move_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(UserMistake, match=r"to_df\(\) needs pandas\. Install it with: %pip install pandas"):
        frame(ROWS)
