"""What to do about what a check found: one line each, for the server that stands there where it can be told."""

from __future__ import annotations

import re
import urllib.parse
from collections.abc import Mapping, Sequence
from typing import Any

from llm_magics.config import is_loopback
from llm_magics.endpoints import providers

LLAMA, VLLM, OLLAMA, STUDIO, SGLANG = "llama.cpp", "vLLM", "Ollama", "LM Studio", "SGLang"

# How servers give themselves away: in their Server header, or as the owner of the models they list.
_MARKS = (
    (LLAMA, r"llama\.?cpp"),
    (VLLM, "vllm"),
    (OLLAMA, "ollama|library"),
    (SGLANG, "sglang"),
    (STUDIO, "lm.?studio"),
)
# Paths that only one kind of server has, and a field of what it answers there; asked on this machine only.
OWN_PATHS = (
    (LLAMA, "/props", "default_generation_settings"),
    (OLLAMA, "/api/version", "version"),
    (VLLM, "/version", "version"),
)

_REMEDIES: Mapping[tuple[str, str], str] = {
    ("tools", LLAMA): "Start llama-server with --jinja.",
    ("tools", VLLM): "Start vllm with --enable-auto-tool-choice --tool-call-parser NAME.",
    ("tools", SGLANG): "Start sglang with --tool-call-parser NAME.",
    ("tools", OLLAMA): "Choose a model with tool support: ollama.com/search?c=tools lists them.",
    ("tools", ""): "Choose a model that takes tools; until then it is asked without them.",
    ("reasoning", LLAMA): "Start llama-server with --jinja --reasoning-format deepseek.",
    ("reasoning", VLLM): "Start vllm with --reasoning-parser NAME.",
    ("reasoning", SGLANG): "Start sglang with --reasoning-parser NAME.",
    ("reasoning", ""): "Let the server tell reasoning from the answer; many have a setting for that.",
    ("model", OLLAMA): "Fetch it: ollama pull {model}",
}
_BY_WORDS = ((r"jinja", LLAMA), (r"enable-auto-tool-choice|tool-call-parser", VLLM))


def remedy(probe: str, server: str, said: str = "", **words: str) -> str:
    """What to do when this probe fails at this kind of server, which may have said so itself."""
    named = next((name for pattern, name in _BY_WORDS if re.search(pattern, said)), server)
    found = _REMEDIES.get((probe, named)) or _REMEDIES.get((probe, ""), "")
    return found.format(**words)


def server_of(base_url: str, headers: Mapping[str, str], listing: Any) -> str:
    """The kind of server, or the provider, as far as it can be told; else nothing."""
    host = urllib.parse.urlsplit(base_url).hostname
    known = (one.title for one in providers.providers() if urllib.parse.urlsplit(one.base_url).hostname == host)
    return next(known, "") or _named(headers.get("server", "")) or _named(" ".join(_owners(listing)))


def usual_server(base_url: str) -> providers.LocalServer | None:
    """The local server whose port this is."""
    port = urllib.parse.urlsplit(base_url).port
    here = (s for s in providers.local_servers() if urllib.parse.urlsplit(s.base_url).port == port)
    return next(here, None) if is_loopback(base_url) else None


def _named(text: str) -> str:
    return next((name for name, mark in _MARKS if re.search(mark, text, re.I)), "")


def _owners(listing: Any) -> list[str]:
    rows = listing.get("data") if isinstance(listing, Mapping) else None
    rows = rows[:20] if isinstance(rows, list) else []
    return [str(row.get("owned_by")) for row in rows if isinstance(row, Mapping) and row.get("owned_by")]


def elsewhere(base_url: str) -> Sequence[str]:
    """Addresses of the same origin, where the key may be sent, too, at which the API may be instead."""
    base, parts = base_url.rstrip("/"), urllib.parse.urlsplit(base_url)
    root = f"{parts.scheme}://{parts.netloc}"
    theirs = [one.base_url for one in providers.providers() if one.base_url.startswith(f"{root}/")]
    tried = [*theirs, *([] if re.search(r"/v\d\w*(/|$)", base) else [f"{base}/v1"]), f"{root}/v1"]
    return [url for url in dict.fromkeys(tried) if url != base][:2]


def base_of(location: str, here: str) -> str:
    """The base URL that a redirect of a request below ``here`` points to."""
    there = urllib.parse.urljoin(f"{here.rstrip('/')}/models", location)
    return re.sub(r"/(?:chat/completions|models)/?(?:[?#].*)?$", "", there)
