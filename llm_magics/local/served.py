"""A GGUF file that is served: the process that does it, its address and its key, and why it is no more."""

from __future__ import annotations

import importlib
import importlib.util
import os
import re
import secrets
from collections.abc import Iterable
from pathlib import Path

from llm_magics.config import Layer
from llm_magics.errors import ConfigError
from llm_magics.local.child import Child, Ended
from llm_magics.local.gguf import PART, SUFFIX, check_there, incomplete, parts, read_header
from llm_magics.secrets import Secret

ORIGIN = "%llm_config --local"
NEEDS = {"xllamacpp": "xllamacpp>=2026.10,<2027", "huggingface_hub": "huggingface_hub>=1,<3"}
CONTEXT = 8_192  # tokens of a prompt and its answer, where the model takes as many; memory grows with them
_TOO_LARGE = re.compile(
    r"(?:fail\w*|unable) to (?:re|m)?alloc|bad_alloc|(?:out of|not enough) memory|cannot alloc", re.I
)
_UNKNOWN = re.compile(r"unknown (?:model architecture|pre-tokenizer type): '([^'\n]{1,60})'")
_INCOMPLETE = re.compile(r"not within the file bounds|failed to read|unexpectedly reached end")


class Served:
    """A file being served from the moment it is asked for; it is ready when `ready` says so.

    Args:
        path: the file, or the first of several.
        name: the name by which the model is asked.

    Raises:
        ConfigError: it cannot be served, as can be told without trying.

    """

    def __init__(self, path: Path, name: str) -> None:
        check_extra("xllamacpp", "a local model")
        check_there(path)
        self.path, self.name = parts(path)[0], name
        self._stamp = _stamp(self.path)
        self.header = read_header(self.path)
        _check_memory(self.path, self.header.size)
        self.key = Secret(secrets.token_hex(24))
        self.context = min(self.header.context or CONTEXT, CONTEXT)
        self.base_url = ""
        self._child = Child("engine", self._order())

    def _order(self) -> dict[str, object]:
        path = str(self.path.absolute())
        return {"path": path, "name": self.name, "context": self.context, "key": self.key.reveal()}

    @property
    def settings(self) -> dict[str, object]:
        """What a configuration holds of it."""
        return {"base_url": self.base_url, "api_key": self.key, "model": self.name}

    @property
    def pid(self) -> int:
        """The number of its process."""
        return self._child.pid

    def ready(self, seconds: float) -> bool:
        """Wait so long for it to be ready, and say whether it is.

        Raises:
            ConfigError: it cannot be served; the message says why.
        """
        try:
            report = self._child.hear(seconds)
        except Ended:
            raise self._mistake() from None
        if "address" in report:
            self.base_url = f"{report['address']}/v1"
        return bool(self.base_url)

    def serves(self, path: Path) -> bool:
        """Whether this is its file, or one of them."""
        return PART.sub("", str(path)) == PART.sub("", str(self.path))

    def is_current(self) -> bool:
        """Whether it still runs, with the file as it is now."""
        return not self.has_ended() and self._stamp == _stamp(self.path)

    def has_ended(self, within: float = 0.0) -> bool:
        """Whether its process is no more, or will not be within that time."""
        return self._child.has_ended(within)

    def obituary(self) -> str:
        """Why it ended, in words that follow a colon."""
        return self._child.last_words()

    def end(self) -> None:
        """End its process."""
        self._child.end()

    def _mistake(self) -> ConfigError:
        log = self._child.log()
        if self._child.killed or _TOO_LARGE.search(log):
            return ConfigError(
                f"{self.path}: it seems too large for this machine's memory (the file has {bytes_of(self.header.size)}"
                f"{_free()}): take a smaller quantisation of it, or a smaller model."
            )
        if unknown := _UNKNOWN.search(log):
            return ConfigError(
                f"{self.path}: this llama.cpp does not know {unknown[1]!r} models; a newer one may: "
                "%pip install -U xllamacpp, then try again."
            )
        if _INCOMPLETE.search(log):
            return incomplete(self.path)
        return ConfigError(f"{self.path}: llama.cpp cannot serve this file ({self._child.last_words()}).")


def check_extra(package: str, what: str) -> None:
    """See that a package is installed, without importing it.

    Raises:
        ConfigError: it is not; the message says what to install.
    """
    importlib.invalidate_caches()  # it may have been installed a moment ago
    if importlib.util.find_spec(package) is None:
        install = f'%pip install "{NEEDS[package]}"'
        raise ConfigError(f"{what} needs {package}, which is not here: {install}, then try again.")


def layer(served: Iterable[Served]) -> Layer:
    """Local models as a configuration knows them."""
    return Layer(origin=ORIGIN, models={one.name: one.settings for one in served})


def name_for(path: Path, taken: Iterable[str]) -> str:
    """A model's name after its file, that nobody has yet.

    >>> name_for(Path("My Model-Q4_K_M-00001-of-00002.gguf"), ["demo"])
    'My-Model-Q4_K_M'
    """
    stem = PART.sub("", path.name)
    stem = stem[: -len(SUFFIX)] if stem.lower().endswith(SUFFIX) else stem
    name = re.sub(r"[^\w.@-]+", "-", stem).strip("-.") or "model"
    taken, number, unique = set(taken), 1, name
    while unique in taken:
        number += 1
        unique = f"{name}-{number}"
    return unique


def _stamp(path: Path) -> tuple[int, int]:
    """What differs when a file was written anew."""
    try:
        found = path.stat()
    except OSError:
        return 0, 0
    return found.st_mtime_ns, found.st_size


def bytes_of(size: float) -> str:
    """A number of bytes for people.

    >>> bytes_of(4_920_000_000)
    '4.9 GB'
    """
    for unit, worth in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if size >= worth:
            return f"{size / worth:.1f} {unit}" if size < 100 * worth else f"{size / worth:.0f} {unit}"
    return f"{size:.0f} bytes"


def _check_memory(path: Path, size: int) -> None:
    """A file that is larger than all memory there is cannot be served in any usable way."""
    whole = _memory("MemTotal")
    if whole is not None and size > whole:
        raise ConfigError(
            f"{path}: it is too large for this machine's memory, {bytes_of(size)} for {bytes_of(whole)}: "
            "take a smaller quantisation of it, or a smaller model."
        )


def _free() -> str:
    free = _memory("MemAvailable")
    return "" if free is None else f", {bytes_of(free)} are free"


def _memory(what: str) -> int | None:
    """Bytes of memory, as Linux counts them; a container has no more than it is given."""
    try:
        lines = Path("/proc/meminfo").read_text("ascii").splitlines()
        found = next(int(line.split()[1]) * 1024 for line in lines if line.startswith(f"{what}:"))
        given = Path("/sys/fs/cgroup/memory.max")
        if os.path.exists(given):  # noqa: PTH110 - never raises
            most = given.read_text("ascii").strip()
            found = min(found, int(most)) if most.isdigit() else found
    except (OSError, ValueError, StopIteration):
        return None
    return found
