"""What a GGUF file says of itself in its first bytes, and whether it is one; llama.cpp finds out the rest."""

from __future__ import annotations

import os
import re
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from llm_magics.errors import ConfigError, nearest
from llm_magics.printable import short_line

SUFFIX = ".gguf"
PART = re.compile(r"-(\d{5})-of-(\d{5})(?=\.gguf$)", re.IGNORECASE)  # one file of a model that comes in several
LISTED = 6  # files of a folder that an error names
LONGEST = 65_535  # bytes that a name in the header may have: llama.cpp's own limit
KEYS = 10_000  # in a header; real ones have fewer than a hundred before the tokenizer's
_FIXED = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}  # by GGUF's type
_TEXT, _ARRAY = 8, 9


@dataclass(frozen=True, slots=True, kw_only=True)
class Header:
    """The kind of model, the most tokens it was trained on (None where it does not say), and the bytes of all parts."""

    architecture: str
    context: int | None
    size: int


class _Short(Exception):
    """The file ends where its header goes on, or the header cannot be one."""


def read_header(path: Path) -> Header:
    """What the file says.

    Raises:
        ConfigError: there is no such file, it is none, or it is not all there.
    """
    size = sum(_size(part) for part in parts(path))
    try:
        with path.open("rb") as file:
            found = _found(file, path)
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read ({error.strerror}).") from None
    except (_Short, struct.error, OverflowError):
        raise incomplete(path) from None
    architecture = found.get("general.architecture", "")
    if architecture == "clip":
        raise ConfigError(f"{path}: this is what lets a model see pictures, not the model: serve that.")
    context = found.get(f"{architecture}.context_length")
    return Header(architecture=str(architecture), context=context if isinstance(context, int) else None, size=size)


def check_there(path: Path) -> None:
    """Look for the file.

    Raises:
        ConfigError: it is not there; the message names what is near, or in the folder.
    """
    try:
        if path.is_dir():
            raise ConfigError(f"{path}: this is a folder.{_in_folder(path) or ' There is no GGUF file in it.'}")
        if path.exists() and not path.is_file():
            raise ConfigError(f"{path}: this is no file that could be read twice.")
        if path.exists():
            return
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read ({error.strerror}).") from None
    if path.is_symlink():
        raise ConfigError(f"{path}: there is no such file where this link leads, {os.path.realpath(path)}.")
    folder = path.parent
    if not os.path.isdir(folder):  # noqa: PTH112 - never raises
        raise ConfigError(f"{path}: there is no such file; there is no folder {folder} either.")
    by_stem = {name[: -len(SUFFIX)]: name for name in _names(folder)}  # all of them end alike
    near = nearest(re.sub(rf"{re.escape(SUFFIX)}$", "", path.name, flags=re.IGNORECASE), by_stem)
    hint = f" Did you mean {by_stem[near]!r}?" if near else _in_folder(folder)
    raise ConfigError(f"{path}: there is no such file.{hint}")


def parts(path: Path) -> list[Path]:
    """All files of a model that comes in several, of which this is one; else this one alone.

    Raises:
        ConfigError: one of them is missing.
    """
    found = PART.search(path.name)
    if found is None:
        return [path]
    every = [path.with_name(PART.sub(f"-{n:05}-of-{found[2]}", path.name)) for n in range(1, int(found[2]) + 1)]
    missing = [part.name for part in every if not part.exists()]
    if missing:
        raise ConfigError(f"{path}: this model has {len(every)} files, and beside it {missing[0]} is missing.")
    return every


def incomplete(path: Path) -> ConfigError:
    """The error for a file that ends too early."""
    return ConfigError(f"{path}: this GGUF file is not all there, or damaged: fetch it again.")


def _found(file: BinaryIO, path: Path) -> dict[str, object]:
    magic = file.read(4)
    if magic != b"GGUF":
        raise ConfigError(f"{path}: this is no GGUF file{_what_it_is(magic + file.read(60), path)}.")
    version, _tensors, keys = struct.unpack("<IQQ", _exactly(file, 20))
    if version & 0xFFFF == 0:
        raise ConfigError(f"{path}: this GGUF file was written for machines with another byte order.")
    found: dict[str, object] = {}
    for _ in range(min(keys, KEYS)):
        name = _text(file, LONGEST).decode("utf-8", "replace")
        if name.startswith("tokenizer."):
            break  # long lists; what is looked for stands before them
        found[name] = _value(file)
    return found


def _what_it_is(begin: bytes, path: Path) -> str:
    if begin.startswith(b"version https://git-lfs"):
        return ", but a pointer of Git LFS to one: run git lfs pull beside it"
    if path.suffix.lower() == ".safetensors":
        return ": look for this model in GGUF form"
    return ", but empty" if not begin else ""


def _value(file: BinaryIO) -> object:
    kind = _number(file, "I")
    if kind == _ARRAY:
        _skip_array(file)
        return None
    if kind == _TEXT:
        return short_line(_text(file).decode("utf-8", "replace"), 100)
    if kind not in _FIXED:
        raise _Short
    return struct.unpack(f"<{_FIXED[kind]}", _exactly(file, struct.calcsize(f"<{_FIXED[kind]}")))[0]


def _skip_array(file: BinaryIO) -> None:
    kind, length = _number(file, "I"), _number(file, "Q")
    if kind in _FIXED:
        file.seek(length * struct.calcsize(f"<{_FIXED[kind]}"), os.SEEK_CUR)
    elif kind == _TEXT and length <= 1_000_000:
        for _ in range(length):
            _text(file)
    else:
        raise _Short


def _text(file: BinaryIO, limit: int = 16_000_000) -> bytes:
    length = _number(file, "Q")
    if length > limit:
        raise _Short
    return _exactly(file, length)


def _number(file: BinaryIO, form: str) -> int:
    return int(struct.unpack(f"<{form}", _exactly(file, struct.calcsize(f"<{form}")))[0])


def _exactly(file: BinaryIO, size: int) -> bytes:
    found = file.read(size)
    if len(found) < size:
        raise _Short
    return found


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read ({error.strerror}).") from None


def _names(folder: Path) -> list[str]:
    try:
        return sorted(entry.name for entry in folder.iterdir() if entry.name.lower().endswith(SUFFIX))
    except OSError:
        return []


def _in_folder(folder: Path) -> str:
    names = _names(folder)
    more = f" and {len(names) - LISTED} more" if len(names) > LISTED else ""
    return f" In it: {', '.join(names[:LISTED])}{more}." if names else ""
