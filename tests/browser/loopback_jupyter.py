"""A real Jupyter server and a real Chromium, both confined to loopback, so that a test sees what a user would see."""

from __future__ import annotations

import contextlib
import importlib.util
import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, Request

App = Literal["lab", "notebook"]
START_SECONDS = 60.0
STOP_SECONDS = 5.0
PATIENCE = 60_000  # milliseconds for what a busy machine may take long to do
ENVIRONMENT = (
    "PATH",
    "PYTHONPATH",
    "LANG",
    "LC_ALL",
    "LC_CTYPE",
    "TMPDIR",
    "VIRTUAL_ENV",
)  # no keys, no proxies, no one's settings
LOOPBACK = ("127.0.0.1", "localhost")
CHROMIUM_FLAGS = (
    "--no-sandbox",  # Chromium refuses to be sandboxed as root, and root is who runs the gate
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    # every name but loopback fails: what works here works offline
    "--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1 , EXCLUDE localhost",
)


def chromium() -> str | None:
    """The Chromium to drive: CHROMIUM, else the one on the PATH."""
    named = os.environ.get("CHROMIUM")
    return shutil.which(named) if named else shutil.which("chromium") or shutil.which("chromium-browser")


def missing_part() -> str:
    """What browser tests lack here; nothing if they can run."""
    for module in ("playwright", "jupyterlab", "notebook", "ipykernel"):
        if importlib.util.find_spec(module) is None:
            return f"{module} is not installed"
    if chromium() is None:
        return "there is no Chromium: install the system's package chromium, or name one in CHROMIUM"
    return ""


# ---------------------------------------------------------------- the server


@dataclass(frozen=True, slots=True)
class Server:
    """A running server: it serves JupyterLab and Notebook 7 alike."""

    port: int
    token: str
    root: Path
    data: Path

    def url(self, app: App, notebook: str) -> str:
        """Where a notebook of its root folder opens."""
        page = {"lab": "lab/tree", "notebook": "notebooks"}[app]
        return f"http://127.0.0.1:{self.port}/{page}/{notebook}?reset&token={self.token}"

    def answers(self) -> bool:
        """Whether it has started."""
        status = f"http://127.0.0.1:{self.port}/api/status?token={self.token}"
        try:
            with urllib.request.urlopen(status, timeout=2) as reply:
                return bool(reply.status == 200)
        except OSError:
            return False


@contextlib.contextmanager
def serve(folder: Path) -> Iterator[Server]:
    """Run a server with everything it keeps in `folder`, its notebooks in `folder`/notebooks."""
    home, root = folder / "home", folder / "notebooks"
    root.mkdir(parents=True)
    server = Server(_free_port(), secrets.token_hex(16), root, home / "jupyter" / "data")
    environment = _environment(home)
    _configure(home, server)
    log = folder / "server.log"
    with log.open("w") as said:
        process = subprocess.Popen(
            [sys.executable, "-m", "jupyterlab", "--no-browser"],
            env=environment,
            cwd=root,
            stdin=subprocess.DEVNULL,
            stdout=said,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # a group of its own, which its kernels stay in
        )
    try:
        _wait_for(server, process, log)
        yield server
    finally:
        _stop(process)


def _environment(home: Path) -> dict[str, str]:
    kept = {name: os.environ[name] for name in ENVIRONMENT if name in os.environ}
    own = {
        "HOME": home,
        "JUPYTER_CONFIG_DIR": home / "jupyter" / "config",
        "JUPYTER_DATA_DIR": home / "jupyter" / "data",
        "JUPYTER_RUNTIME_DIR": home / "jupyter" / "runtime",
        "JUPYTERLAB_SETTINGS_DIR": home / "jupyter" / "settings",
        "JUPYTERLAB_WORKSPACES_DIR": home / "jupyter" / "workspaces",
        "IPYTHONDIR": home / "ipython",
    }
    for folder in own.values():
        folder.mkdir(parents=True, exist_ok=True)
    return {**kept, **{name: str(path) for name, path in own.items()}, "PYDEVD_DISABLE_FILE_VALIDATION": "1"}


def _configure(home: Path, server: Server) -> None:
    """Settings go into files: the token on a command line could be read by every user of the machine."""
    config = {
        "ServerApp": {
            "ip": "127.0.0.1",
            "port": server.port,
            "port_retries": 0,
            "root_dir": str(server.root),
            "allow_root": True,
            "open_browser": False,
        },
        "IdentityProvider": {"token": server.token},
        # window.jupyterapp: waits for the kernel and runs commands by the application's own means
        "LabApp": {"expose_app_in_browser": True},
        "JupyterNotebookApp": {"expose_app_in_browser": True},
    }
    (home / "jupyter" / "config" / "jupyter_server_config.json").write_text(json.dumps(config))
    settings = home / "jupyter" / "settings" / "@jupyterlab"
    saving = settings / "docmanager-extension" / "plugin.jupyterlab-settings"
    saving.parent.mkdir(parents=True)
    saving.write_text('{"autosave": false}')  # a test saves by itself: two saves at once make the page ask which counts
    news = settings / "apputils-extension" / "notification.jupyterlab-settings"
    news.parent.mkdir(parents=True)
    news.write_text('{"fetchNews": "false", "checkForUpdates": false}')  # both would go outside


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def _wait_for(server: Server, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while not server.answers():
        if process.poll() is not None:
            raise RuntimeError(f"the Jupyter server ended at once:\n{log.read_text()}")
        if time.monotonic() > deadline:
            raise RuntimeError(f"the Jupyter server did not answer within {START_SECONDS:g} s:\n{log.read_text()}")
        time.sleep(0.1)


def _stop(process: subprocess.Popen[bytes]) -> None:
    """End the server and its kernels: their group, and nothing else."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(STOP_SECONDS)
        os.killpg(process.pid, signal.SIGKILL)  # what is left of the group
    process.wait(STOP_SECONDS)


# ---------------------------------------------------------------- the browser


@contextlib.contextmanager
def browse() -> Iterator[Browser]:
    """A headless Chromium that reaches loopback and nothing else."""
    from playwright.sync_api import sync_playwright

    executable = chromium()
    assert executable is not None
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=executable,
            args=list(CHROMIUM_FLAGS),
            chromium_sandbox=False,
            headless=True,
            timeout=PATIENCE,
        )
        try:
            yield browser
        finally:
            browser.close()


def outside_requests(context: BrowserContext) -> list[str]:
    """A list that grows by every request the context's pages make to anything but this machine."""
    seen: list[str] = []

    def note(request: Request) -> None:
        address = urlsplit(request.url)
        if address.scheme not in ("data", "blob", "about") and address.hostname not in LOOPBACK:
            seen.append(request.url)

    context.on("request", note)
    return seen
