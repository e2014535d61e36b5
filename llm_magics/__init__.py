"""Prompt any OpenAI-compatible model from a notebook cell: ``%load_ext llm_magics``, then ``%%llm``.

From Python: `ModelManager`, `call_llm`, `tool` for functions that models may call, and `get_session` for what the
magics of this kernel share.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

    from llm_magics.calls import call_llm as call_llm
    from llm_magics.manager import ModelManager as ModelManager
    from llm_magics.session import current as get_session
    from llm_magics.tools.functions import tool as tool

__version__ = "0.1.0"
__all__ = ["ModelManager", "call_llm", "get_session", "load_ipython_extension", "tool", "unload_ipython_extension"]

_LAZY = {
    "ModelManager": ("llm_magics.manager", "ModelManager"),
    "call_llm": ("llm_magics.calls", "call_llm"),
    "get_session": ("llm_magics.session", "current"),
    "tool": ("llm_magics.tools.functions", "tool"),
}


def __getattr__(name: str) -> Any:
    """Public names, imported when first used."""
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import importlib

    module, attribute = _LAZY[name]
    return getattr(importlib.import_module(module), attribute)


def __dir__() -> list[str]:
    return sorted([*globals(), *_LAZY])


def load_ipython_extension(shell: InteractiveShell) -> None:
    """``%load_ext llm_magics``."""
    from llm_magics.interrupts import held

    with held():  # all of it, or nothing
        from llm_magics.extension import Extension

        if getattr(shell, "_llm_magics", None) is None:
            shell._llm_magics = Extension(shell)  # type: ignore[attr-defined]
            shell._llm_magics.load()  # type: ignore[attr-defined]


def unload_ipython_extension(shell: InteractiveShell) -> None:
    """``%unload_ext llm_magics``."""
    from llm_magics.interrupts import held

    extension = getattr(shell, "_llm_magics", None)
    if extension is not None:
        with held():
            extension.unload()
            shell._llm_magics = None  # type: ignore[attr-defined]
