"""Whom a project's file may reach: it may come from strangers, and does not decide where prompts and keys go."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from llm_magics import config_files, trust
from llm_magics.config import Layer, Sourced, flatten, host_of, is_loopback
from llm_magics.endpoints import providers
from llm_magics.errors import ConfigError
from llm_magics.manager import env_names
from llm_magics.printable import clean

USER_FILE = "user file"
PROJECT_FILE = "project file"


class Untrusted(ConfigError):
    """A project's file that says where prompts and keys go, and that nobody allowed to.

    Attributes:
        says: what it does, in one sentence.
        path: the file.
        fingerprint: of its content as it was read.
    """

    def __init__(self, message: str, *, says: str, path: Path, fingerprint: str) -> None:
        super().__init__(message)
        self.says, self.path, self.fingerprint = " ".join(clean(says).split()), path, fingerprint


class ProjectTrust:
    """The project's file, and the contents of such files that somebody trusted.

    Attributes:
        state: where a trusted content was read, by its fingerprint.
    """

    def __init__(self) -> None:
        self.state: Mapping[str, Path] = {}
        self._read: tuple[str, Layer] | None = None

    def layer(self) -> Layer | None:
        """The project's file as it is now, and whether it is trusted; None where there is none.

        It is read again whenever its content has changed: what was trusted is the content.

        Raises:
            ConfigError: it cannot be used.
        """
        path = config_files.project_file(here())
        if path is None:
            return None
        fingerprint = config_files.fingerprint(path)
        if self._read is None or self._read[0] != fingerprint:
            self._read = fingerprint, config_files.read_layer(path, PROJECT_FILE)
        return replace(self._read[1], trusted=fingerprint in self.state or fingerprint in trust.trusted())

    def accept_present(self) -> Path | None:
        """Let this folder's project file say where prompts and keys are sent, as long as it stays as it is."""
        path = config_files.project_file(here())
        if path is not None:
            self.state = {**self.state, config_files.fingerprint(path): path}
        return path

    def accept(self, fingerprint: str, path: Path) -> None:
        """Trust what a project file held when its fingerprint was taken, in this kernel and in others."""
        self.state = {**self.state, fingerprint: path}
        self.remember()

    def remember(self) -> None:
        """Let other kernels know; where nothing can be written it holds for this one."""
        with contextlib.suppress(OSError):
            for fingerprint in self.state.keys() - trust.trusted():
                trust.remember(fingerprint, self.state[fingerprint])

    def check_model(self, name: str, found: Mapping[str, Sourced], url: str) -> None:
        """Look whether a model may be asked at this address with these settings.

        Raises:
            ConfigError: a file that nobody trusts has a say in where its prompts or a key go.
        """
        ways = ("base_url", "api_key", "api_key_env", "headers")
        foreign = [found[key].origin for key in ways if key in found and not found[key].trusted]
        if not foreign:
            return
        names = env_names(flatten(found))
        written = [found[key] for key in ("api_key", "headers") if key in found and found[key].value]
        moved = "base_url" in found and not found["base_url"].trusted
        carried = [sourced.origin for sourced in written if moved and sourced.trusted]  # written for another address
        harmless = is_loopback(url) and not names and not carried
        if harmless or (names and not written and set(names) <= set(providers.key_names_for(url))):
            return
        keys = " or ".join([*names, *dict.fromkeys(carried)])
        takes = f" with the key from {keys}" if keys else ""
        says = f"{foreign[0]} sends the prompts of {name!r} to {host_of(url)}{takes}."
        raise self._untrusted(foreign[0], says, "the model")

    def check_server(self, name: str, server: Sourced, shown: str) -> None:
        """Look whether an MCP server may be started or reached; ``shown`` is its command or its host.

        Raises:
            ConfigError: it stands in a file that nobody trusts.
        """
        if server.trusted:
            return
        does = f"sends calls of tools to {shown}" if "url" in server.value else f"runs the program {shown}"
        raise self._untrusted(server.origin, f"{server.origin} {does} as the MCP server {name!r}.", "the server")

    def _untrusted(self, origin: str, says: str, what: str) -> ConfigError:
        """The error for what a file does that nobody allowed it to; one that is the user's own cannot be allowed."""
        if origin.startswith(USER_FILE):
            return ConfigError(f"{says} Others can change this file: chmod o-w it, and see that it is yours.")
        own = config_files.config_folder() / "config.toml"
        path = config_files.project_file(here())
        assert path is not None
        return Untrusted(
            f"{says} If you trust this project, say %llm_config --trust, or put {what} into your own file {own}",
            says=says,
            path=path,
            fingerprint=config_files.fingerprint(path),
        )


def here() -> Path:
    """The current folder; a place with nothing above it of ours where that was deleted under the kernel."""
    try:
        return Path.cwd()
    except OSError:
        return Path(os.devnull)
