"""llama.cpp behind its own HTTP server, in a process of its own: a crash in C++ must not take the tests along.

The one file that knows xllamacpp, whose surface moves with llama.cpp. Its defaults are open (no key, any origin, a web
page, 8 GiB of prompt cache); `_serve` closes them.

Good to know when testing against it (all seen here, xllamacpp 2026.10.11549): any model name is accepted; a wrong key
is 401; a prompt beyond n_ctx / n_parallel is 400; `extra_body={"ignore_eos": True}` with a large max_tokens makes a
tiny model babble on, which is what tests of cancelling need.
"""

from __future__ import annotations

import contextlib
import importlib.util
import json
import secrets
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import IO

START_SECONDS = 30.0


def available() -> tuple[bool, str]:
    """Whether xllamacpp can be imported, and if not, why."""
    found = importlib.util.find_spec("xllamacpp") is not None
    return (True, "") if found else (False, "xllamacpp is not installed (it has wheels for Linux)")


@contextlib.contextmanager
def serve_llama(
    path: Path | str, alias: str = "tiny", *, n_ctx: int = 8192, n_parallel: int = 2, jinja: bool = True
) -> Iterator[tuple[str, str]]:
    """Serve a GGUF file under that model name and give (base_url, key); n_ctx is shared by n_parallel slots."""
    key = secrets.token_hex(16)
    # over stdin, because arguments and environments can be read by others
    order = {"path": str(path), "alias": alias, "n_ctx": n_ctx, "n_parallel": n_parallel, "key": key, "jinja": jinja}
    with tempfile.TemporaryFile("w+") as log, _child(order, log) as child:
        address = _address(child, log)
        _wait_until_ready(child, address, log)
        yield f"{address}/v1", key


@contextlib.contextmanager
def _child(order: dict[str, object], log: IO[str]) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, str(Path(__file__).resolve())]
    child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True)
    try:
        child.stdin.write(json.dumps(order) + "\n")
        child.stdin.flush()
        yield child
    finally:
        child.terminate()
        try:
            child.wait(timeout=5)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()
        with contextlib.suppress(OSError):
            child.stdin.close()
        child.stdout.close()


def _address(child: subprocess.Popen[str], log: IO[str]) -> str:
    alarm = threading.Timer(START_SECONDS, child.kill)  # its end ends the pipe, and so the reading
    alarm.start()
    try:
        for line in child.stdout:
            if line.startswith('{"address":'):
                return json.loads(line)["address"]
    finally:
        alarm.cancel()
    child.wait()
    raise RuntimeError(_story(child, log))


def _wait_until_ready(child: subprocess.Popen[str], address: str, log: IO[str]) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        if child.poll() is not None:
            raise RuntimeError(_story(child, log))
        try:
            with urllib.request.urlopen(f"{address}/health", timeout=2) as answer:
                if answer.status == 200:
                    return
        except (urllib.error.URLError, OSError):
            time.sleep(0.05)
    raise RuntimeError(f"no answer from {address}/health within {START_SECONDS:g} s\n{_story(child, log)}")


def _story(child: subprocess.Popen[str], log: IO[str]) -> str:
    log.seek(0)
    return f"llama.cpp's process (exit status {child.poll()}) said:\n{log.read()[-2000:]}"


def _serve(order: dict[str, object]) -> None:
    """The child's part: load, tell the address, live as long as the parent."""
    import xllamacpp

    wish = xllamacpp.CommonParams()
    wish.model.path = order["path"]
    wish.model_alias = {order["alias"]}
    wish.hostnames, wish.port = ["127.0.0.1"], 0
    wish.api_keys, wish.cors_origins = [order["key"]], "http://127.0.0.1"
    wish.ui, wish.endpoint_slots, wish.offline = False, False, True
    wish.fit_params, wish.warmup, wish.use_jinja = False, False, order["jinja"]
    wish.n_ctx, wish.n_parallel, wish.cache_ram_mib = order["n_ctx"], order["n_parallel"], 64
    wish.cpuparams.n_threads = 1  # threads that wait for each other crawl where cores are busy
    server = xllamacpp.Server(wish)
    print(json.dumps({"address": server.listening_address}), flush=True)
    sys.stdin.read()  # ends when the parent does, however it ends


if __name__ == "__main__":
    _serve(json.loads(sys.stdin.readline()))
