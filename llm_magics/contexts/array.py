"""NumPy arrays: their shape and type, then their values, or the corners of a large one."""

from __future__ import annotations

from typing import Any

WHOLE = 2_000  # values; a larger array is told by its corners, as NumPy prints it


def describe(obj: Any, budget: int) -> str:
    """The array as NumPy writes it."""
    import numpy as np

    shown = np.array2string(obj, threshold=WHOLE, separator=", ")
    return f"array of shape {obj.shape}, {obj.dtype}:\n{shown}" if obj.ndim else shown
