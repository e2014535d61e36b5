"""What a value looks like: figures, pictures, and whatever draws itself, as PNG or JPEG in base64."""

from __future__ import annotations

import base64
import io
import sys
from typing import Any

from llm_magics.contexts import known_as
from llm_magics.events import Picture

LARGEST = 8_000_000  # bytes of a picture; a larger one would make the notebook slow to open
MOST_FIGURES = 8  # of one call

_DRAWN = {
    "matplotlib.figure.FigureBase": "figure",
    "matplotlib.axes._axes.Axes": "axes",
    "matplotlib.axes._base._AxesBase": "axes",
    "numpy.ndarray": "array",
}
_METHODS = (("_repr_png_", "image/png", b"\x89PNG"), ("_repr_jpeg_", "image/jpeg", b"\xff\xd8"))


class TooLarge(ValueError):
    """A picture that no page should hold; ``size`` in bytes."""

    def __init__(self, size: int) -> None:
        super().__init__(f"a picture of {size:,} bytes")
        self.size = size


def picture_of(value: Any) -> Picture | None:
    """The value's picture, or None where it has none.

    Raises:
        TooLarge: it has one, and too large.
        Exception: whatever its library raises while it draws.
    """
    figure = figure_of(value)
    if figure is not None:
        drawn = io.BytesIO()
        figure.savefig(drawn, format="png", bbox_inches="tight")
        return _picture("image/png", drawn.getvalue())
    for method, mime, start in _METHODS:
        if callable(getattr(type(value), method, None)):
            given = getattr(value, method)()
            data = _bytes(given[0] if isinstance(given, tuple) and given else given)
            if data.startswith(start):
                return _picture(mime, data)
    return None


def figure_of(value: Any) -> Any:
    """The matplotlib figure of a figure, of axes, or of an array of axes; None of anything else."""
    match known_as(value, _DRAWN):
        case "figure":
            return value.figure if hasattr(value, "figure") and not hasattr(value, "savefig") else value
        case "axes":
            return figure_of(value.figure)
        case "array" if value.dtype == object and value.size:
            first = value.flat[0]
            return figure_of(first) if known_as(first, _DRAWN) == "axes" else None
    return None


def open_figures() -> set[int]:
    """The numbers of pyplot's open figures."""
    pyplot = sys.modules.get("matplotlib.pyplot")
    return set(pyplot.get_fignums()) if pyplot else set()


def are_shown_at_the_end() -> bool:
    """Whether figures that are open when a cell ends are shown below it."""
    pyplot = sys.modules.get("matplotlib.pyplot")
    return pyplot is not None and "inline" in str(pyplot.get_backend())


def taken_figures(before: set[int]) -> tuple[Picture, ...]:
    """The figures that have been opened since, which are then closed, so that nothing else shows them."""
    pyplot: Any = sys.modules.get("matplotlib.pyplot")
    found = []
    for count, number in enumerate(sorted(open_figures() - before)):
        if count < MOST_FIGURES:
            written = io.BytesIO()
            pyplot.figure(number).savefig(written, format="png", bbox_inches="tight")
            found.append(Picture("image/png", base64.b64encode(written.getvalue()).decode()))
        pyplot.close(number)
    return tuple(found)


def _bytes(given: Any) -> bytes:
    """What such a method gave; text is base64."""
    if isinstance(given, str):
        return base64.b64decode(given, validate=False)
    return bytes(given) if isinstance(given, bytes | bytearray | memoryview) else b""


def _picture(mime: str, data: bytes) -> Picture:
    if len(data) > LARGEST:
        raise TooLarge(len(data))
    return Picture(mime, base64.b64encode(data).decode("ascii"))
