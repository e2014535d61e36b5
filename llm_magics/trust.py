"""Project files that someone allowed to say where prompts and keys go: remembered by their place and content."""

from __future__ import annotations

import json
import os
from pathlib import Path

from llm_magics.config_files import config_folder, open_ordinary, write_private

NAME = "trusted.json"


def trusted() -> set[str]:
    """The fingerprints that are remembered. A file of them that others could have written says nothing."""
    return set(_entries(config_folder() / NAME))


def remember(fingerprint: str, path: Path) -> None:
    """Trust a file as it is now, in every kernel of this user; an earlier content of it is trusted no more."""
    place = config_folder() / NAME
    kept = {known: where for known, where in _entries(place).items() if where != str(path)}
    write_private(place, json.dumps({**kept, fingerprint: str(path)}, indent=1))


def _entries(place: Path) -> dict[str, str]:
    try:
        with os.fdopen(open_ordinary(place), encoding="utf-8") as file:
            found = {} if others_can_write(os.fstat(file.fileno())) else json.load(file)
    except (OSError, ValueError, RecursionError):
        return {}
    return {str(key): str(where) for key, where in found.items()} if isinstance(found, dict) else {}


def others_can_write(stat: os.stat_result) -> bool:
    """Whether somebody else may have put into a file what stands there.

    A group is not somebody else: where every user has one of their own, files are made writable for it. Windows has no
    such bits.
    """
    return os.name == "posix" and (bool(stat.st_mode & 0o002) or stat.st_uid not in (os.getuid(), 0))
