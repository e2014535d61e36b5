"""Votes on blind comparisons: one line each in a file of the user's, which says nothing of prompts and answers."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import IO

from llm_magics.config_files import config_folder, open_ordinary, project_file

NAME = "votes.jsonl"
TIE, NONE = "tie", "none"
MAX_FILE = 20_000_000  # bytes; far more votes than anybody casts


@dataclass(frozen=True, slots=True, kw_only=True)
class Vote:
    """Which of these models answered best.

    Attributes:
        models: all that took part.
        winner: one of them; ``tie`` where several were equally good, ``none`` where all were bad.
        project: the folder of the project that was worked on.
        time: when, in UTC, as ISO 8601 writes it.
    """

    models: tuple[str, ...]
    winner: str
    project: str
    time: str


def cast(models: Sequence[str], winner: str) -> Vote:
    """Keep a vote for this project.

    Raises:
        OSError: it cannot be written.
    """
    vote = Vote(
        models=tuple(models),
        winner=winner,
        project=str(project()),
        time=datetime.now(UTC).isoformat(timespec="seconds"),
    )
    place = config_folder() / NAME
    place.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    with os.fdopen(open_ordinary(place, os.O_RDWR | os.O_APPEND | os.O_CREAT), "a+b", buffering=0) as file:
        begin = "" if _ends_whole(file) else "\n"  # what a crash left would spoil this line
        file.write(f"{begin}{json.dumps(asdict(vote))}\n".encode())  # at once, so that kernels do not mix their lines
    return vote


def _ends_whole(file: IO[bytes]) -> bool:
    """Whether the last line has its end."""
    if file.seek(0, os.SEEK_END) == 0:
        return True
    file.seek(-1, os.SEEK_END)
    return file.read(1) == b"\n"


def kept() -> list[Vote]:
    """The votes of this project, oldest first. Lines that are no votes, as after a crash, are passed over."""
    here = str(project())
    return [vote for vote in _read(config_folder() / NAME) if vote.project == here]


def project() -> Path:
    """The folder that is worked in: the one of the project's file, else of its repository, else the current one."""
    try:
        here = Path.cwd()
    except OSError:  # it was deleted
        return Path(os.devnull)
    if (found := project_file(here)) is not None:
        return found.parent
    return next((folder for folder in (here, *here.parents) if os.path.exists(folder / ".git")), here)  # noqa: PTH110


def _read(place: Path) -> Iterator[Vote]:
    try:
        with os.fdopen(open_ordinary(place), "rb") as file:
            lines = file.read(MAX_FILE).splitlines()
    except OSError:
        return
    for line in lines:
        with contextlib.suppress(ValueError, TypeError, KeyError, RecursionError):
            found = json.loads(line)
            models, winner = tuple(map(str, found["models"])), str(found["winner"])
            if len(models) > 1 and (winner in models or winner in (TIE, NONE)):
                yield Vote(models=models, winner=winner, project=str(found["project"]), time=str(found["time"]))
