"""A comparison as a file, written whole or not at all: CSV, JSON, HTML, Markdown; and as a table of pandas."""

from __future__ import annotations

import base64
import contextlib
import csv
import hashlib
import html
import io
import json
import math
import os
import re
import secrets
import stat
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from llm_magics import tables
from llm_magics.errors import UserMistake, did_you_mean, short
from llm_magics.safe.html import LEFT, PROSE, clean_html, table, words
from llm_magics.safe.markdown import escape, fenced, rebuild
from llm_magics.surrogates import sendable

if TYPE_CHECKING:
    import pandas

VERSION = 1  # of the JSON file; it grows when a reader of the last one would be misled
HEADINGS = 2  # levels that are the file's own: an answer's headings stand below them, and are no other model's
Rows = Sequence[Mapping[str, Any]]
# What the files for people show of a row, and how it is called there.
_FIGURES = {
    "label": "",
    "model": "model",
    "status": "status",
    "first_token": "first token, s",
    "seconds": "seconds",
    "tokens_per_second": "tokens/s",
    "tokens_in": "tokens in",
    "tokens_out": "out",
    "tokens_reasoning": "reasoning",
    "cost": "cost",
}
# A spreadsheet takes what begins so for a formula; also in the wide forms of East Asian keyboards.
_FORMULA = re.compile(r"[=+\-@\t\r\n＝＋－＠]")
_NUMBER = re.compile(r"[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?")


def save(rows: Rows, path: str | os.PathLike[str], *, prompt: str = "") -> Path:
    """Write rows to a file of the kind its name ends with, ``.csv``, ``.json``, ``.html`` or ``.md``; returns its path.

    A file of that name is written over, as pandas does. It is there whole or not at all.

    Raises:
        UserMistake: there is no such kind, no such folder, or no way to write there.
    """
    target = _target(path)
    ending = target.suffix.lower()
    if ending not in WRITERS:
        said = f"{short(target.name)}: the ending says what to write: {', '.join(WRITERS)}."
        raise UserMistake(said + did_you_mean(ending, WRITERS))
    _write(target, WRITERS[ending](rows, prompt))
    return target


def frame(rows: Rows) -> pandas.DataFrame:
    """The rows as a pandas ``DataFrame``, a column a figure; what is unknown is missing there, never 0.

    Raises:
        UserMistake: pandas is not installed.
    """
    try:
        import pandas as pd
    except ImportError:
        raise UserMistake("to_df() needs pandas. Install it with: %pip install pandas") from None
    made = pd.DataFrame([dict(row) for row in rows])
    for name in made.columns:
        if name.startswith(("tokens_in", "tokens_out", "tokens_reasoning")):
            made[name] = made[name].astype("Int64")  # whole numbers, also where one is unknown
        elif name in ("first_token", "seconds", "tokens_per_second", "cost"):
            made[name] = made[name].astype("float64")
    return made


def as_csv(rows: Rows) -> str:
    """A line a row under a line of names; what is unknown is empty.

    A spreadsheet would run a text that begins with ``=``, ``+``, ``-`` or ``@`` as a formula, and a model may have been
    told to write one. Such a text gets an apostrophe in front, which spreadsheets do not show. Numbers are left alone,
    negative ones too, and so is a text that is nothing but a number, such as the answer ``-5``.

    >>> as_csv([{"label": "a", "text": "=1+1", "cost": -0.5}])
    "label,text,cost\\r\\na,'=1+1,-0.5\\r\\n"
    """
    file = io.StringIO()
    writer = csv.writer(file)
    names = list(dict.fromkeys(name for row in rows for name in row))
    writer.writerow(names)
    writer.writerows([_cell(row.get(name)) for name in names] for row in rows)
    return file.getvalue()


def as_json(rows: Rows, prompt: str = "") -> str:
    """The rows with the prompt, what format this is, and its version."""
    document = {"format": "llm_magics comparison", "version": VERSION, "prompt": prompt}
    document["rows"] = [{name: _jsonable(value) for name, value in row.items()} for row in rows]
    return json.dumps(document, ensure_ascii=False, indent=2, default=str) + "\n"


def as_markdown(rows: Rows, prompt: str = "") -> str:
    """A document for people: the prompt, a table of figures, and each answer under its name."""
    parts = ["# Comparison"]
    parts += ["## Prompt", fenced(prompt, "text")] if prompt.strip() else []
    head, cells = _figures(rows)
    parts += [tables.page_table(head, cells)] if cells else []
    for row in rows:
        parts.append(f"## {escape(str(row.get('label', '')))}")
        parts += [rebuild(text, alone=False, below=HEADINGS)] if (text := str(row.get("text") or "")).strip() else []
        parts += [fenced(str(error), "text")] if (error := row.get("error")) else []
    return "\n\n".join(part for part in parts if part.strip()) + "\n"


def as_html(rows: Rows, prompt: str = "") -> str:
    """A page that stands alone: it runs nothing, asks no host for anything, and reads well on screen and paper."""
    styles = f"{_hash_of(_STYLE)} 'unsafe-hashes' {_hash_of(LEFT)}"  # these two and no others
    policy = f"default-src 'none'; style-src {styles}; img-src data:; base-uri 'none'; form-action 'none'"
    head, cells = _figures(rows)
    body = [f"<h2>Prompt</h2><pre>{words(prompt)}</pre>"] if prompt.strip() else []
    body += [table(head, cells)] if cells else []
    for row in rows:
        body.append(f"<h2>{words(str(row.get('label', '')))}</h2>")
        body += [_rendered(text)] if (text := str(row.get("text") or "")).strip() else []
        body += [f"<pre>{words(str(error))}</pre>"] if (error := row.get("error")) else []
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{html.escape(policy, quote=False)}">\n'
        '<meta name="referrer" content="no-referrer">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>Comparison</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n<h1>Comparison</h1>\n"
        f"{clean_html(chr(10).join(body), PROSE)}\n</body>\n</html>\n"
    )


_STYLE = """
:root { color-scheme: light dark; }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
table { border-collapse: collapse; display: block; overflow-x: auto; }
th, td { border: 1px solid GrayText; padding: 0.2rem 0.6rem; text-align: left; vertical-align: top; }
pre { white-space: pre-wrap; overflow-wrap: anywhere; border-left: 3px solid GrayText; padding-left: 0.8rem; }
h2 { border-bottom: 1px solid GrayText; break-after: avoid; overflow-wrap: anywhere; }
img { max-width: 100%; }
@media print { body { max-width: none; margin: 0; } pre, tr { break-inside: avoid; } table { display: table; } }
"""


WRITERS: Mapping[str, Callable[[Rows, str], str]] = {
    ".csv": lambda rows, prompt: as_csv(rows),
    ".json": as_json,
    ".html": as_html,
    ".md": as_markdown,
}


def _hash_of(style: str) -> str:
    """A style's name in a content security policy."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()}'"


def _rendered(text: str) -> str:
    """An answer's Markdown as HTML, from the same safe form that notebooks show; the door is behind it."""
    from markdown_it import MarkdownIt

    parser = MarkdownIt("commonmark").enable(["table", "strikethrough"])
    return str(parser.render(rebuild(text, alone=False, below=HEADINGS)))


def _figures(rows: Rows) -> tuple[list[str], list[list[str]]]:
    """The figures that any row has, as a table of texts."""
    shown = [name for name in _FIGURES if any(row.get(name) is not None for row in rows)]
    if all(row.get("model") == row.get("label") for row in rows) and "model" in shown:
        shown.remove("model")
    cells = [[_figure(row, name) for name in shown] for row in rows]
    return [_FIGURES[name] for name in shown], cells


def _figure(row: Mapping[str, Any], name: str) -> str:
    value = row.get(name)
    if value is None:
        return "no price" if name == "cost" else ""
    if name == "cost":
        return f"{value:.6g} {row.get('currency') or ''}".rstrip()
    return f"{value:,.2f}" if isinstance(value, float) else f"{value:,}" if isinstance(value, int) else str(value)


def _cell(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    text = sendable(value).replace("\0", "\ufffd")
    return f"'{text}" if _FORMULA.match(text) and not _NUMBER.fullmatch(text) else text


def _jsonable(value: Any) -> Any:
    if isinstance(value, str):
        return sendable(value)
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _target(path: str | os.PathLike[str]) -> Path:
    """The file that is meant, through links."""
    try:
        target = Path(path).expanduser().resolve()
        if not target.parent.is_dir():
            raise UserMistake(f"{path}: there is no folder {target.parent}. Make it first, or name another.")
        if target.is_dir():
            raise UserMistake(f"{path}: is a folder; name the file in it.")
        if target.exists() and not stat.S_ISREG(target.stat().st_mode):
            raise UserMistake(f"{path}: is no ordinary file.")
    except UserMistake:
        raise
    except TypeError:
        raise UserMistake(f"{short(path)} is no path: give the name of a file.") from None
    except (OSError, ValueError, RuntimeError) as error:
        raise UserMistake(f"{path}: cannot be written ({getattr(error, 'strerror', None) or error}).") from None
    return target


def _write(target: Path, text: str) -> None:
    """Write a draft beside the file, and put it in its place when all of it is there."""
    draft = target.with_name(f".llm_magics-{os.getpid()}-{secrets.token_hex(4)}")
    try:
        if target.exists() and not os.access(target, os.W_OK):
            raise PermissionError(0, "it is write-protected")
        with draft.open("xb") as file:
            file.write(sendable(text).encode())
        if target.exists():
            draft.chmod(stat.S_IMODE(target.stat().st_mode))
        draft.replace(target)
    except OSError as error:
        raise UserMistake(f"{target}: cannot be written ({error.strerror or error}).") from None
    finally:
        with contextlib.suppress(OSError):
            draft.unlink(missing_ok=True)
