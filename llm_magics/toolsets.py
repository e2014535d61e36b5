"""The toolsets that come with the package, by name; nothing of one is imported before it is asked for."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import Any

from llm_magics.tools import Tool

# What a name brings: modules of tools/, each with ``tools(namespace)``.
TOOLSETS: Mapping[str, tuple[str, ...]] = {"frames": ("frames", "sql"), "python": ("python",)}


def toolset(name: str, namespace: Mapping[str, Any]) -> tuple[list[Tool], str]:
    """A toolset's tools, and what is to be said where some are left out."""
    found: list[Tool] = []
    notes: list[str] = []
    for module in (importlib.import_module(f"llm_magics.tools.{module}") for module in TOOLSETS[name]):
        found += module.tools(namespace)
        missing = getattr(module, "missing", None)
        if missing is not None and (note := missing()):
            notes.append(note)
    return found, "; ".join(notes)


def all_tools(namespace: Mapping[str, Any]) -> list[Tool]:
    """The tools of all of them."""
    return [tool for name in TOOLSETS for tool in toolset(name, namespace)[0]]
