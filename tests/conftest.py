"""Fixtures: a far end on loopback, a shell with the extension, and a home of its own for every test."""

from __future__ import annotations

import atexit
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import IPython
import pytest
from far_end import FarEnd
from hypothesis import HealthCheck, settings
from IPython.core.interactiveshell import InteractiveShell
from shells import RUNTIME, Shell
from traitlets.config import Config

from llm_magics import session, unload_ipython_extension
from llm_magics.endpoints import providers

# A slow machine is no failure; and a shell serves all examples of a test.
NO_FAULT = [HealthCheck.too_slow, HealthCheck.function_scoped_fixture]
# The gate tries the same examples every time: what is found by chance is found by whoever works on it.
SAME = "LLM_MAGICS_SAME_EXAMPLES" in os.environ
settings.register_profile("llm_magics", deadline=None, suppress_health_check=NO_FAULT, derandomize=SAME)
settings.load_profile("llm_magics")
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # as it is where a shell began the tests in the background
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True)
def interrupts_are_given_back() -> Iterator[None]:
    """Every test leaves the keyboard's interrupt to whoever had it."""
    before = signal.getsignal(signal.SIGINT)
    yield
    left, _ = signal.getsignal(signal.SIGINT), signal.signal(signal.SIGINT, before)
    assert left == before


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """No test sees this machine's settings or keys, leaves any behind, or reaches a host that is not loopback."""
    folder = tmp_path / "home"
    work = folder / "work"
    work.mkdir(parents=True)
    keys = {name for provider in providers.providers() for name in provider.api_key_env}
    for name in list(os.environ):
        if name in keys or name.startswith(("LLM_MAGICS_MODEL", "OPENAI_")):
            monkeypatch.delenv(name)
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "llm_magics" / "node"
    monkeypatch.setenv("LLM_MAGICS_NODE_CACHE", os.environ.get("LLM_MAGICS_NODE_CACHE", str(cache)))
    monkeypatch.setenv("HOME", str(folder))
    monkeypatch.setenv("LLM_MAGICS_DIR", str(folder / "config"))
    monkeypatch.setenv("IPYTHONDIR", str(folder / "ipython"))
    monkeypatch.setenv("PYTHON_KEYRING_BACKEND", "keyring.backends.null.Keyring")
    monkeypatch.chdir(work)
    return folder


@pytest.fixture
def far() -> Iterator[FarEnd]:
    """A scriptable server that speaks Chat Completions."""
    with FarEnd() as server:
        yield server


@pytest.fixture
def far_config(far: FarEnd) -> dict[str, Any]:
    """A configuration with one model, ``far``, at the far end."""
    return {"models": {"far": {"base_url": far.base_url, "api_key": "sk-far-0123456789", "model": "far-model"}}}


@pytest.fixture
def fresh_session(monkeypatch: pytest.MonkeyPatch) -> Iterator[session.Session]:
    """A session nobody has used, on the one thread that all tests share: each would leave one behind."""
    fresh = session.Session(RUNTIME)
    monkeypatch.setattr(session, "_current", fresh)
    yield fresh
    fresh.configuration.served.end_all()
    fresh.mcp_servers.close_all()


@pytest.fixture
def shell(fresh_session: session.Session, capsys: pytest.CaptureFixture[str]) -> Iterator[Shell]:
    """A shell without a front end, the extension loaded."""
    config = Config()
    config.HistoryManager.enabled = False
    config.InteractiveShell.colors = "nocolor" if IPython.version_info[0] > 8 else "NoColor"
    ip = InteractiveShell.instance(config=config)
    try:
        ip.run_line_magic("load_ext", "llm_magics")
        yield Shell(ip, capsys)
    finally:
        unload_ipython_extension(ip)
        atexit.unregister(ip.atexit_operations)  # at the run's end they would clean up each shell once more
        InteractiveShell.clear_instance()


@pytest.fixture
def far_shell(shell: Shell, far: FarEnd) -> Shell:
    """The same, with the far end as its model."""
    shell.run(f"%llm_config --add far base_url={far.base_url}")
    return shell
