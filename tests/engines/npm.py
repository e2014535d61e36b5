"""Servers from npm, each in one version: where they live, whether they are there, and how they get there."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import platformdirs


def cache_folder() -> Path:
    """Where the npm packages live: LLM_MAGICS_NODE_CACHE, else a folder in the user's cache."""
    return Path(os.environ.get("LLM_MAGICS_NODE_CACHE") or platformdirs.user_cache_path("llm_magics") / "node")


def environment() -> dict[str, str]:
    """No keys and no proxies: a stand-in for providers has no business with real ones."""
    wanted = ("PATH", "HOME", "TMPDIR", "SYSTEMROOT", "USERPROFILE")
    return {name: os.environ[name] for name in wanted if name in os.environ}


@dataclass(frozen=True)
class Package:
    """One version of a package."""

    name: str
    version: str

    @property
    def folder(self) -> Path:
        """Where it is, if it is there."""
        return cache_folder() / "node_modules" / self.name

    def available(self) -> tuple[bool, str]:
        """Whether it can be started, and if not, why; installs it only when LLM_MAGICS_INSTALL_NODE=1."""
        if not shutil.which("node"):
            return False, f"{self.name} needs Node.js, and there is no `node` on the PATH"
        if self._installed_version() != self.version and os.environ.get("LLM_MAGICS_INSTALL_NODE") == "1":
            problem = self._install()
            if problem:
                return False, problem
        found = self._installed_version()
        if found is None:
            return False, f"{self.name} is not in {cache_folder()}; LLM_MAGICS_INSTALL_NODE=1 installs it"
        if found != self.version:
            return False, f"{self.name} in {cache_folder()} is {found}, these tests know {self.version}"
        return True, ""

    def _installed_version(self) -> str | None:
        try:
            return json.loads((self.folder / "package.json").read_text())["version"]
        except (OSError, ValueError, KeyError):
            return None

    def _install(self) -> str:
        """Install the one pinned version; the answer is what went wrong, or nothing."""
        npm = shutil.which("npm")
        if npm is None:
            return f"{self.name} is not installed, and there is no `npm` on the PATH to install it"
        folder = cache_folder()
        folder.mkdir(parents=True, exist_ok=True)
        # --prefix, because npm otherwise installs into the nearest parent folder that looks like a package
        command = [npm, "install", "--no-audit", "--no-fund", "--ignore-scripts", "--prefix", str(folder)]
        try:
            done = subprocess.run(
                [*command, f"{self.name}@{self.version}"], capture_output=True, text=True, timeout=300
            )
        except subprocess.TimeoutExpired:
            return "npm install took more than 300 s"
        return "" if done.returncode == 0 else f"npm install failed: {done.stderr[-400:]}"
