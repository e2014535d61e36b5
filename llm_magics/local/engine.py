"""The child that serves: llama.cpp's server on loopback. The one module that knows xllamacpp.

Its surface moves with llama.cpp, and its defaults are open (no key, any origin, a web page, 8 GiB of prompt cache).
"""

from __future__ import annotations

import http.client
import os
import threading
import time
import urllib.parse
from collections.abc import Callable
from typing import Any

SLOTS = 2  # prompts that are answered at a time
CACHE = 256  # MiB of prompts that are kept, not to be read again


def work(given: dict[str, Any], say: Callable[[dict[str, Any]], None]) -> None:
    """Load ``path``, tell the ``address``, and serve until the process is ended."""
    import xllamacpp

    wish = xllamacpp.CommonParams()
    wish.model.path = given["path"]
    wish.model_alias = {given["name"]}
    wish.hostnames, wish.port = ["127.0.0.1"], 0
    wish.api_keys, wish.cors_origins = [given["key"]], "http://127.0.0.1"
    wish.ui, wish.endpoint_slots, wish.endpoint_props, wish.endpoint_metrics = False, False, False, False
    wish.offline, wish.fit_params, wish.warmup, wish.use_jinja = True, False, False, True
    wish.n_parallel, wish.n_ctx, wish.cache_ram_mib = SLOTS, given["context"] * SLOTS, CACHE
    wish.cpuparams.n_threads = wish.cpuparams_batch.n_threads = threads()
    wish.verbosity = 1  # what went wrong, and nothing of what was asked
    server = xllamacpp.Server(wish)
    _wait_until_ready(server.listening_address)
    say({"address": server.listening_address})
    threading.Event().wait()


def threads() -> int:
    """One for each core as there are two of the system's to a core, and some are left to the notebook."""
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 2
    return max(1, usable // 2)


def _wait_until_ready(address: str) -> None:
    parts = urllib.parse.urlsplit(address)
    while True:
        connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=5)
        try:
            connection.request("GET", "/health")
            if connection.getresponse().status == 200:
                return
        except OSError:
            pass
        finally:
            connection.close()
        time.sleep(0.05)
